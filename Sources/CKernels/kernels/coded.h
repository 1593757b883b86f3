// Products with codes that stand for floats, for one instruction set. A lane is a row of the panel.
#include "lanes.h"

/// Activation rows for which a panel's floats are written down once instead of being made for each row again.
#define MANY_ROWS 8
#if defined(LANES_AVX512)
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif

// The numbers of 16 indices of four bits. An index of more than four bits does not occur.

#if defined(LANES_AVX512)
typedef f32x16 level_table;
INLINE level_table make_table(const float *levels) { return load(levels); }
INLINE f32x16 look_up(level_table table, u8x16 codes, const bool is_high) {
    // The instruction reads the lowest four bits of an index.
    __m512i index = _mm512_cvtepu8_epi32((__m128i)codes);
    if (is_high) index = _mm512_srli_epi32(index, 4);
    return (f32x16)_mm512_permutexvar_ps(index, (__m512)table);
}
#elif defined(LANES_AVX2)
typedef f32x16 level_table;
INLINE level_table make_table(const float *levels) { return load(levels); }
INLINE f32x8 look_up_eight(level_table table, __m128i codes, const bool is_high) {
    // The permutation reads three bits of an index; the fourth chooses between its results, as a sign.
    __m256i index = _mm256_cvtepu8_epi32(codes);
    __m256 fourth = _mm256_castsi256_ps(is_high ? _mm256_slli_epi32(index, 24) : _mm256_slli_epi32(index, 28));
    if (is_high) index = _mm256_srli_epi32(index, 4);
    __m256 low = _mm256_permutevar8x32_ps((__m256)table.lo, index);
    __m256 high = _mm256_permutevar8x32_ps((__m256)table.hi, index);
    return (f32x8)_mm256_blendv_ps(low, high, fourth);
}
INLINE f32x16 look_up(level_table table, u8x16 codes, const bool is_high) {
    f32x16 v;
    v.lo = look_up_eight(table, (__m128i)codes, is_high);
    v.hi = look_up_eight(table, _mm_srli_si128((__m128i)codes, 8), is_high);
    return v;
}
#elif defined(LANES_NEON)
/// Byte b of the 16 numbers in vector b.
typedef uint8x16x4_t level_table;
INLINE level_table make_table(const float *levels) { return vld4q_u8((const uint8_t *)levels); }
INLINE f32x16 look_up(level_table table, u8x16 codes, const bool is_high) {
    uint8x16_t index = is_high ? vshrq_n_u8((uint8x16_t)codes, 4) : vandq_u8((uint8x16_t)codes, vdupq_n_u8(15));
    uint8x16x4_t bytes;
    for (int b = 0; b < 4; b++) bytes.val[b] = vqtbl1q_u8(table.val[b], index);
    float values[LANES];
    vst4q_u8((uint8_t *)values, bytes);
    return load(values);
}
#else
typedef f32x16 level_table;
INLINE level_table make_table(const float *levels) { return load(levels); }
INLINE f32x16 look_up(level_table table, u8x16 codes, const bool is_high) {
    float numbers[LANES], values[LANES];
    store(numbers, table);
    for (int i = 0; i < LANES; i++) values[i] = numbers[is_high ? codes[i] >> 4 : codes[i] & 15];
    return load(values);
}
#endif

INLINE u8x16 load_u8(const uint8_t *p) {
    u8x16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/// E4M3 as half precision: the sign moves to bit 15, exponent and fraction to bits 13 … 7, which divides by 2⁸.
INLINE f32x16 widen_e4m3(u8x16 codes) {
    typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
    u16x16 half = (u16x16)__builtin_convertvector((i8x16)codes, i16x16) << 7;
    return widen_half(half & 0xBFFF);
}

INLINE f32x16 widen_e5m2(u8x16 codes) { return widen_half(__builtin_convertvector(codes, u16x16) << 8); }

/// The floats of columns k and k + 1 of a panel.
INLINE void two_columns(const martlet_code_kind kind, level_table table, const uint8_t *codes, size_t k, f32x16 *w) {
    if (kind == MARTLET_CODE_LEVELS) {
        u8x16 pair = load_u8(codes + k / 2 * LANES);
        w[0] = look_up(table, pair, false);
        w[1] = look_up(table, pair, true);
    } else {
        for (size_t i = 0; i < 2; i++) {
            u8x16 column = load_u8(codes + (k + i) * LANES);
            w[i] = kind == MARTLET_CODE_E4M3 ? widen_e4m3(column) : widen_e5m2(column);
        }
    }
}

INLINE f32x16 one_column(const martlet_code_kind kind, level_table table, const uint8_t *codes, size_t k) {
    if (kind == MARTLET_CODE_LEVELS) return look_up(table, load_u8(codes + k / 2 * LANES), false);
    u8x16 column = load_u8(codes + k * LANES);
    return kind == MARTLET_CODE_E4M3 ? widen_e4m3(column) : widen_e5m2(column);
}

INLINE void store_sums(float *y, f32x16 sum, size_t left) {
    if (left >= LANES) store(y, sum);
    else store_part(y, sum, (ptrdiff_t)left);
}

/// `width` neighbouring panels for `count` activation rows.
INLINE void coded_tile(const martlet_code_kind kind, const size_t width, const size_t count, const martlet_coded *coded,
                       const uint8_t *panel, size_t panel_bytes, const float *x, float *y, size_t stride, size_t left) {
    const size_t columns = coded->columns, runs = (columns + coded->run - 1) / coded->run;
    const level_table table = make_table(coded->levels);
    f32x16 total[4][4];
    for (size_t p = 0; p < width; p++) {
        for (size_t c = 0; c < count; c++) total[p][c] = splat(0);
    }
    for (size_t run = 0; run < runs; run++) {
        const size_t first = run * coded->run, end = first + coded->run < columns ? first + coded->run : columns;
        f32x16 sum[4][4], w[4][2];
        for (size_t p = 0; p < width; p++) {
            for (size_t c = 0; c < count; c++) sum[p][c] = splat(0);
        }
        size_t k = first;
        for (; k + 2 <= end; k += 2) {
            for (size_t p = 0; p < width; p++) {
                two_columns(kind, table, panel + p * panel_bytes + runs * LANES * 4, k, w[p]);
            }
            for (size_t i = 0; i < 2; i++) {
                for (size_t c = 0; c < count; c++) {
                    const f32x16 value = splat(x[c * columns + k + i]);
                    for (size_t p = 0; p < width; p++) sum[p][c] = fma16(w[p][i], value, sum[p][c]);
                }
            }
        }
        if (k < end) {
            for (size_t p = 0; p < width; p++) {
                w[p][0] = one_column(kind, table, panel + p * panel_bytes + runs * LANES * 4, k);
                for (size_t c = 0; c < count; c++) sum[p][c] = fma16(w[p][0], splat(x[c * columns + k]), sum[p][c]);
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
    const level_table table = make_table(coded->levels);
    const uint8_t *codes = panel + runs * LANES * 4;
    size_t k = 0, m = 0;
    for (; k + 2 <= columns; k += 2) {
        f32x16 w[2];
        two_columns(kind, table, codes, k, w);
        store(floats + k * LANES, w[0]);
        store(floats + (k + 1) * LANES, w[1]);
    }
    if (k < columns) store(floats + k * LANES, one_column(kind, table, codes, k));
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
    case MARTLET_CODE_LEVELS:
        coded_panels(MARTLET_CODE_LEVELS, coded, panels, first, last, x, rows, y, stride, outputs, floats);
        break;
    }
}

static void fill_coded(martlet_coded_kernels *table) { table->multiply = multiply_coded; }
