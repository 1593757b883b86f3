// Products with floats of eight bits, for one instruction set. A lane is a row of the panel.
#include "lanes.h"

/// Activation rows for which a panel's floats are written down once instead of being made for each row again.
#define MANY_ROWS 8
#if defined(LANES_AVX512)
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif

// A code becomes the half of its bits, 2⁻⁸ of an E4M3 and an E5M2 itself, subnormal ones too, which processors widen without
// the 150 cycles that Intel's take for a subnormal float32. Packing gives the rest to the scales.

typedef int16_t i16x16 __attribute__((ext_vector_type(16)));

/// The floats of column k of a panel.
INLINE f32x16 one_column(const martlet_code_kind kind, const uint8_t *codes, size_t k) {
    i8x16 all;
    memcpy(&all, codes + k * LANES, sizeof all);
    const i16x16 wide = __builtin_convertvector(all, i16x16);
    return widen_half((u16x16)(kind == MARTLET_CODE_E4M3 ? (wide << 7) & (int16_t)0xBF80 : wide << 8));
}

INLINE void store_sums(float *y, f32x16 sum, size_t left) {
    if (left >= LANES) store(y, sum);
    else store_part(y, sum, (ptrdiff_t)left);
}

/// `width` neighbouring panels for `count` activation rows.
INLINE void coded_tile(const martlet_code_kind kind, const size_t width, const size_t count, const martlet_coded *coded,
                       const uint8_t *panel, size_t panel_bytes, const float *x, float *y, size_t stride, size_t left) {
    const size_t columns = coded->columns, runs = (columns + coded->run - 1) / coded->run;
    f32x16 total[4][4];
    for (size_t p = 0; p < width; p++) {
        for (size_t c = 0; c < count; c++) total[p][c] = splat(0);
    }
    for (size_t run = 0; run < runs; run++) {
        const size_t first = run * coded->run, end = first + coded->run < columns ? first + coded->run : columns;
        f32x16 sum[4][4];
        for (size_t p = 0; p < width; p++) {
            for (size_t c = 0; c < count; c++) sum[p][c] = splat(0);
        }
#pragma clang loop unroll_count(2)
        for (size_t k = first; k < end; k++) {
            f32x16 w[4];
            for (size_t p = 0; p < width; p++) {
                w[p] = one_column(kind, panel + p * panel_bytes + runs * LANES * 4, k);
            }
            for (size_t c = 0; c < count; c++) {
                const f32x16 value = splat(x[c * columns + k]);
                for (size_t p = 0; p < width; p++) sum[p][c] = fma16(w[p], value, sum[p][c]);
            }
        }
        for (size_t p = 0; p < width; p++) {
            const f32x16 scale = load((const float *)(panel + p * panel_bytes) + run * LANES);
            for (size_t c = 0; c < count; c++) total[p][c] = fma16(sum[p][c], scale, total[p][c]);
        }
    }
    for (size_t p = 0; p < width; p++) {
        for (size_t c = 0; c < count; c++) {
            store_sums(y + c * stride + p * LANES, total[p][c], left > p * LANES ? left - p * LANES : 0);
        }
    }
}

/// A panel whose floats are written down, [columns][16], for `count` activation rows.
INLINE void float_tile(const size_t count, const martlet_coded *coded, const float *scales, const float *floats,
                       const float *x, float *y, size_t stride, size_t left) {
    const size_t columns = coded->columns;
    f32x16 total[TILE_ROWS];
    for (size_t c = 0; c < count; c++) total[c] = splat(0);
    for (size_t first = 0; first < columns; first += coded->run, scales += LANES) {
        const size_t end = first + coded->run < columns ? first + coded->run : columns;
        f32x16 sum[TILE_ROWS];
        for (size_t c = 0; c < count; c++) sum[c] = splat(0);
        for (size_t k = first; k < end; k++) {
            const f32x16 w = load(floats + k * LANES);
            for (size_t c = 0; c < count; c++) sum[c] = fma16(w, splat(x[c * columns + k]), sum[c]);
        }
        for (size_t c = 0; c < count; c++) total[c] = fma16(sum[c], load(scales), total[c]);
    }
    for (size_t c = 0; c < count; c++) store_sums(y + c * stride, total[c], left);
}

INLINE void many_rows(const martlet_code_kind kind, const martlet_coded *coded, const uint8_t *panel, const float *x,
                      size_t rows, float *y, size_t stride, size_t left, float *floats) {
    const size_t columns = coded->columns, runs = (columns + coded->run - 1) / coded->run;
    const uint8_t *codes = panel + runs * LANES * 4;
    size_t m = 0;
    for (size_t k = 0; k < columns; k++) {
        store(floats + k * LANES, one_column(kind, codes, k));
    }
    const float *scales = (const float *)panel;
    for (; m + TILE_ROWS <= rows; m += TILE_ROWS) {
        float_tile(TILE_ROWS, coded, scales, floats, x + m * columns, y + m * stride, stride, left);
    }
    for (; m + 2 <= rows; m += 2) float_tile(2, coded, scales, floats, x + m * columns, y + m * stride, stride, left);
    for (; m < rows; m++) float_tile(1, coded, scales, floats, x + m * columns, y + m * stride, stride, left);
}

INLINE void coded_panels(const martlet_code_kind kind, const martlet_coded *coded, const uint8_t *panels, size_t first,
                         size_t last, const float *x, size_t rows, float *y, size_t stride, size_t outputs,
                         float *scratch) {
    const size_t size = martlet_coded_panel_bytes(coded), columns = coded->columns;
    for (size_t p = first; p < last;) {
        const uint8_t *panel = panels + p * size;
        const size_t left = outputs - p * LANES;
        float *out = y + p * LANES;
        if (rows >= MANY_ROWS) {
            many_rows(kind, coded, panel, x, rows, out, stride, left, scratch);
            p += 1;
        } else if (rows == 1 && last - p >= 4) {
            // Four chains of additions side by side.
            coded_tile(kind, 4, 1, coded, panel, size, x, out, stride, left);
            p += 4;
        } else if (last - p >= 2) {
            size_t m = 0;
            for (; m + 2 <= rows; m += 2) {
                coded_tile(kind, 2, 2, coded, panel, size, x + m * columns, out + m * stride, stride, left);
            }
            if (m < rows) coded_tile(kind, 2, 1, coded, panel, size, x + m * columns, out + m * stride, stride, left);
            p += 2;
        } else {
            size_t m = 0;
            for (; m + 2 <= rows; m += 2) {
                coded_tile(kind, 1, 2, coded, panel, size, x + m * columns, out + m * stride, stride, left);
            }
            if (m < rows) coded_tile(kind, 1, 1, coded, panel, size, x + m * columns, out + m * stride, stride, left);
            p += 1;
        }
    }
}

static void multiply_coded(const martlet_coded *coded, const void *panels, size_t first, size_t last, const float *x,
                           size_t rows, float *y, size_t stride, size_t outputs, void *scratch) {
    float *floats = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    switch (coded->kind) {
    case MARTLET_CODE_E4M3:
        coded_panels(MARTLET_CODE_E4M3, coded, panels, first, last, x, rows, y, stride, outputs, floats);
        break;
    case MARTLET_CODE_E5M2:
        coded_panels(MARTLET_CODE_E5M2, coded, panels, first, last, x, rows, y, stride, outputs, floats);
        break;
    }
}

static void fill_coded(martlet_coded_kernels *table) { table->multiply = multiply_coded; }
