// Products y = x Wᵀ with codes of four bits that are indices of 16 numbers (NF4, FP4). A run of neighbouring columns of a
// row has one float32 scale: W[r, k] = scale[r, k / run] · numbers[code[r, k]].
//
// Weights are packed into panels of 16 rows, a lane for each row, as those of martlet_quantized.h are:
//
//   scales   float32 [columns / run][16]
//   codes    [columns / 8][4][2][4][2], byte 64j + 16q + 8p + 2r + i holding columns 8j + 2p + i (low half) and
//            8j + 4 + 2p + i (high half) of row 4q + r
//
// The numbers are integers of 15 bits, looked up as two tables of bytes, and activations are those of
// martlet_quantized.h, of 16 bits. Every output element is one chain: the products of four columns are added exactly, two
// such sums make that of eight columns, four of these in ascending order a block's, and each block's sum times its scales
// is added to the blocks before it.
#pragma once
#include "martlet_quantized.h"

/// The largest magnitude of a number, so that four products with activations fit 32 bits.
#define MARTLET_LEVEL_TOP 16383

typedef struct martlet_levels {
    /// A multiple of 32.
    size_t columns;
    /// Columns that share a scale: a multiple of 32 that divides `columns`.
    size_t run;
    int16_t numbers[16];
} martlet_levels;

/// Bytes of one panel of 16 rows.
size_t martlet_levels_panel_bytes(const martlet_levels *_Nonnull levels);

/// Packs `rows` <= 16 rows of codes, a byte each, [rows][columns], and of scales, [rows][columns / run], into one panel.
/// Missing rows have scales of zero.
void martlet_pack_levels_panel(const martlet_levels *_Nonnull levels, const uint8_t *_Nonnull codes,
                               const float *_Nonnull scales, size_t rows, void *_Nonnull panel);

typedef struct martlet_levels_kernels {
    /// As `multiply` of martlet_quantized.h.
    void (*_Nonnull multiply)(const martlet_levels *_Nonnull levels, const void *_Nonnull panels, size_t first,
                              size_t last, const martlet_activations *_Nonnull x, float *_Nonnull y, size_t stride,
                              size_t outputs, void *_Nonnull scratch);
} martlet_levels_kernels;
