// Products of float32 matrices in bfloat16 on tiles: C = op(A) op(B) (+ C), row-major, sums in float32.
//
// An operand has one part (rounded to bfloat16) or two (a sum of two numbers of bfloat16, 16 bits of the float32). One of
// its strides, which are in floats, is 1. A panel of `side` rows of A or columns of B and of `depth` takes
// side * (depth rounded up to a multiple of `step`) * parts numbers of 16 bits; what is not there is zero.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct martlet_tile_kernels {
    int side, step;
    /// Packs a panel of at most `side` rows of op(A).
    void (*_Nonnull pack_rows)(const float *_Nonnull a, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t rows,
                               ptrdiff_t depth, int parts, uint16_t *_Nonnull packed);
    /// Packs a panel of at most `side` columns of op(B).
    void (*_Nonnull pack_columns)(const float *_Nonnull b, ptrdiff_t depth_stride, ptrdiff_t column_stride,
                                  ptrdiff_t columns, ptrdiff_t depth, int parts, uint16_t *_Nonnull packed);
    /// Prepares this thread's tiles, and gives them back: around any number of blocks.
    void (*_Nonnull begin)(void);
    void (*_Nonnull end)(void);
    /// C (+)= a panel of A times panels of B that are `b_panel` numbers apart.
    void (*_Nonnull block)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, int parts,
                           const uint16_t *_Nonnull packed_a, const uint16_t *_Nonnull packed_b, ptrdiff_t b_panel,
                           float *_Nonnull c, ptrdiff_t c_stride, bool accumulate);
} martlet_tile_kernels;

/// NULL where the processor has no tiles for bfloat16 (Intel's AMX has), or the system does not give them.
const martlet_tile_kernels *_Nullable martlet_tile_kernels_active(void);
