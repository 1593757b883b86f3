// Products y = x Wᵀ with weights that are floats of eight bits. A run of neighbouring columns of a row has one float32
// scale.
//
// Weights are packed into panels of 16 rows, a lane for each row, as those of martlet_quantized.h are:
//
//   scales   float32 [runs][16]
//   codes    8 bits  [columns][16]
//
// A code's float is exact and activations stay float32, of magnitudes below 2⁹⁶; scales are below 2⁴⁰. Every output element is one chain: the products of a run are
// added in ascending order from zero, and each run's sum times its scale to the runs before it.
#pragma once
#include "martlet_cpu.h"

typedef enum martlet_code_kind {
    /// 1 sign, 4 exponent and 3 fraction bits, no infinities. Codes that are no numbers must not occur.
    MARTLET_CODE_E4M3,
    /// 1 sign, 5 exponent and 2 fraction bits.
    MARTLET_CODE_E5M2,
} martlet_code_kind;

typedef struct martlet_coded {
    martlet_code_kind kind;
    size_t columns;
    /// Columns that share a scale; the last run of a row may be shorter.
    size_t run;
} martlet_coded;

/// Bytes of one panel of 16 rows.
size_t martlet_coded_panel_bytes(const martlet_coded *_Nonnull coded);

/// Packs `rows` <= 16 rows of codes, a byte each, [rows][columns], and of scales, [rows][runs], into one panel. Missing
/// rows have scales of zero.
void martlet_pack_coded_panel(const martlet_coded *_Nonnull coded, const uint8_t *_Nonnull codes,
                              const float *_Nonnull scales, size_t rows, void *_Nonnull panel);

typedef struct martlet_coded_kernels {
    /// y[m, 16p … ] for panels `first ..< last` and `rows` rows of x [rows, columns]. `outputs` is the number of columns
    /// of y, `stride` the number of elements between its rows. `scratch` holds `martlet_multiply_scratch` bytes, aligned
    /// to 64.
    void (*_Nonnull multiply)(const martlet_coded *_Nonnull coded, const void *_Nonnull panels, size_t first,
                              size_t last, const float *_Nonnull x, size_t rows, float *_Nonnull y, size_t stride,
                              size_t outputs, void *_Nonnull scratch);
} martlet_coded_kernels;
