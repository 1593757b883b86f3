// Single precision matrix products, C = op(A) op(B) (+ C), row-major.
//
// One accumulation order: every element of C is the chain
//     acc = fma(a[m,k], b[k,n], acc),  k = 0 … K-1,
// starting from 0, or from the previous value of C. A chain that is cut into blocks of k continues from C, so the bits
// of a row do not depend on the other rows, on tiles, threads or the instruction set.
//
// An operand is a pointer and two strides in floats, one of which is 1: element (i, k) of A is a[i*row + k*depth].
#pragma once
#include "martlet_cpu.h"

/// A prefetch hint: what the thread packs next, `runs` runs of `width` floats that start `stride` floats apart. They
/// are fetched into the level 2 cache while a block is computed. Without `from` nothing is fetched.
typedef struct martlet_upcoming {
    const float *_Nullable from;
    ptrdiff_t runs, stride, width;
} martlet_upcoming;

typedef struct martlet_gemm_kernels {
    /// A tile is `tile_rows` x `tile_columns`; a vector has `lanes` floats.
    int tile_rows, tile_columns, lanes;

    /// Packs op(A), rows x depth, into panels of `tile_rows` rows, depth-major: panel p starts at
    /// p * tile_rows * depth. Writes ceil(rows / tile_rows) * tile_rows * depth floats.
    void (*_Nonnull pack_rows)(const float *_Nonnull a, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t rows,
                               ptrdiff_t depth, float *_Nonnull packed);
    /// Packs op(B), depth x columns, into panels of `tile_columns` columns (the last ones narrower, whole vectors,
    /// filled with zeros), depth-major. Writes ceil(columns / lanes) * lanes * depth floats.
    void (*_Nonnull pack_columns)(const float *_Nonnull b, ptrdiff_t depth_stride, ptrdiff_t column_stride,
                                  ptrdiff_t columns, ptrdiff_t depth, float *_Nonnull packed);
    /// C (+)= packed A x packed B. With `rows_inside` the inner loop runs over rows (B stays in the cache), else over
    /// columns (A stays in the cache).
    void (*_Nonnull block)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *_Nonnull packed_a,
                           const float *_Nonnull packed_b, float *_Nonnull c, ptrdiff_t c_stride, bool accumulate,
                           bool rows_inside, martlet_upcoming next);
    /// C (+)= A x packed B with A row-major and not packed, its rows `a_row` floats apart.
    void (*_Nonnull block_rows)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *_Nonnull a,
                                ptrdiff_t a_row, const float *_Nonnull packed_b, float *_Nonnull c,
                                ptrdiff_t c_stride, bool accumulate, martlet_upcoming next);
    /// C (+)= op(A) op(B) for at most `tile_rows` rows, without packing in advance: B is read once.
    void (*_Nonnull thin)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *_Nonnull a,
                          ptrdiff_t row_stride, ptrdiff_t depth_stride, const float *_Nonnull b,
                          ptrdiff_t b_depth_stride, ptrdiff_t b_column_stride, float *_Nonnull c, ptrdiff_t c_stride,
                          bool accumulate);
    /// C = alpha x + beta C elementwise, as fma(beta, c, alpha * x); beta = 0 does not read C. x may be C.
    void (*_Nonnull combine)(ptrdiff_t count, float alpha, const float *_Nonnull x, float beta, float *_Nonnull c);
    /// Runs `rounds` x 96 independent fused multiply-adds on vectors and returns the number of floating-point
    /// operations: it measures the upper bound for a product.
    double (*_Nonnull multiply_add_burn)(ptrdiff_t rounds);
} martlet_gemm_kernels;
