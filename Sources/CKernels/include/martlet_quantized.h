// Products with constant weights: y = x Wᵀ, W [rows, columns] in any of the stored types.
//
// Weights are packed once into panels of 16 rows. Each lane of a vector is one row: there are no horizontal sums, and
// every output element is one chain of operations over the columns in ascending order, whatever the number of
// activation rows. Quantised codes keep their width. A panel is a sequence of blocks of 32 columns:
//
//   scales   float16 [parts][16]          parts = 1, or 2 where a scale covers 16 columns
//   minima   float16 [parts][16]          only formats with w = scale · code + minimum
//   zeros    uint8   [16]                 only formats with w = scale · (code − zero), a zero for each row
//   codes    low nibbles  [4][16][4]      byte j·64 + 4r + i holds columns 4j + i (low half) and 16 + 4j + i (high half)
//            bit 4        [8] uint64      5-bit formats: bit 4r + i of word g is column 4g + i of row r
//            bits 4 and 5 [2][16][4]      6-bit formats: byte h·64 + 4r + i holds columns 16h + 4(0…3) + i, two bits each
//            or bytes     [8][16][4]      8-bit formats
//
// Symmetric formats (w = scale · (code − offset)) fold the offset into the integer sum, and so are zeros. Codes of four bits
// may be indices of a table of 16 bytes, which are the codes that are computed with. Float panels are [columns][16].
#pragma once
#include "martlet_cpu.h"
#include "martlet_types.h"

#define MARTLET_PANEL 16
#define MARTLET_BLOCK 32

/// The largest magnitude of a stored activation: both digits are at most 127, and adding 128 does not overflow 16 bits.
#define MARTLET_ACTIVATION_TOP (32767 - 128)

/// What codes of four bits are indices of.
typedef enum martlet_table {
    MARTLET_TABLE_NONE,
    /// The levels of IQ4_NL and IQ4_XS.
    MARTLET_TABLE_IQ4,
    /// Twice the numbers of FP4 (E2M1).
    MARTLET_TABLE_FP4,
} martlet_table;

typedef struct martlet_packing {
    /// Bits of a stored code: 4, 5, 6 or 8; 0 for float panels.
    int bits;
    int parts;
    bool has_minimum;
    bool has_zeros;
    martlet_table table;
    /// What is taken from a code, or from what the table has for it.
    int offset;
    /// The element type of float panels.
    martlet_type float_type;
    /// Of float32 panels: sums are kept in float64.
    bool sums_in_double;
    /// Bytes of a block: of 32 columns (16 rows), or of one column for float panels.
    size_t block_bytes;
} martlet_packing;

/// Activations as 16-bit integers with one scale for each block of 32, split into two digits of 8 bits: x ≈ scale ·
/// (256 · high + low) with high in −127 … 127 and low in −128 … 127. A product sums 32 columns of both digits, as an
/// exact integer: with codes of bytes below 255 · 32,639 · 32 < 2²⁸, and as much for what an offset or a zero takes away.
typedef struct martlet_activations {
    /// float32 [rows, columns], for float panels.
    const float *_Nullable values;
    /// [rows, columns / 32, 2, 32]: the high digits of a block, then the low digits.
    const int8_t *_Nullable codes;
    /// [rows, columns / 32]
    const float *_Nullable scales;
    /// Sums of 256 · high + low over each half block, [rows, columns / 16]
    const int32_t *_Nullable sums;
    size_t rows;
    size_t columns;
    /// Whether all low digits are zero, so that products may leave them out.
    bool has_high_digits_only;
} martlet_activations;

/// Elements in a block of the stored type, and bytes of the block.
size_t martlet_type_block(martlet_type type);
size_t martlet_type_block_bytes(martlet_type type);

/// How a stored type is packed; with `exact`, as float32. False for a type that weights are not stored in.
bool martlet_packing_of(martlet_type type, bool exact, martlet_packing *_Nonnull packing);

/// Bytes of one panel of 16 rows.
size_t martlet_panel_bytes(const martlet_packing *_Nonnull packing, size_t columns);

/// Packs `rows` <= 16 stored rows, `row_bytes` apart, into one panel; missing rows become zeros. `scratch` holds
/// `columns` floats and is used for float panels only.
void martlet_pack_panel(martlet_type type, const martlet_packing *_Nonnull packing, const void *_Nonnull source,
                        size_t row_bytes, size_t rows, size_t columns, void *_Nonnull panel, float *_Nonnull scratch);

/// The packing of codes of 4 or 8 bits with a scale and a zero for each block of 32.
martlet_packing martlet_zeros_packing(int bits);

/// Packs `rows` <= 16 rows of such codes, a byte each, [rows][columns], of half precision scales and of zeros,
/// [rows][columns / 32], into one panel.
void martlet_pack_zeros_panel(const martlet_packing *_Nonnull packing, const uint8_t *_Nonnull codes,
                              const uint16_t *_Nonnull scales, const uint8_t *_Nonnull zeros, size_t rows,
                              size_t columns, void *_Nonnull panel);

/// Converts `count` stored elements, a whole number of blocks, to float32.
void martlet_dequantize(martlet_type type, const void *_Nonnull source, size_t count, float *_Nonnull target);

typedef struct martlet_quantized_kernels {
    /// Quantises `rows` rows of float32 to pairs of digits: scale = max|x| / 32639 in each block of 32, ties to even.
    void (*_Nonnull quantize)(const float *_Nonnull values, size_t rows, size_t columns, int8_t *_Nonnull codes,
                              float *_Nonnull scales, int32_t *_Nonnull sums);
    /// Quantises rows to eight bits: high digits alone, with one scale for a row, max|x| / 127, of the numbers below
    /// `threshold` in magnitude; the others become zeros. A row with a number that is infinite or none has no scale.
    void (*_Nonnull quantize_tokens)(const float *_Nonnull values, size_t rows, size_t columns, float threshold,
                                     int8_t *_Nonnull codes, float *_Nonnull scales, int32_t *_Nonnull sums);
    /// y[m, 16p … ] for panels `first ..< last` and all activation rows. `outputs` is the number of columns of y,
    /// `stride` the number of elements between its rows. `scratch` holds `martlet_multiply_scratch` bytes, aligned to
    /// 64.
    void (*_Nonnull multiply)(const martlet_packing *_Nonnull packing, const void *_Nonnull panels, size_t first,
                              size_t last, const martlet_activations *_Nonnull x, float *_Nonnull y, size_t stride,
                              size_t outputs, void *_Nonnull scratch);
} martlet_quantized_kernels;

size_t martlet_multiply_scratch(size_t columns);
