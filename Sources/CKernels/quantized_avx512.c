#include "fill.h"
#include "quantized_blocks.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma,f16c")))
#define INLINE TARGET static inline __attribute__((always_inline))
#include "kernels/quantized_tokens.h"
#define GROUPS 8
#define WIDE_ROWS 8
#include "kernels/wide_panels.h"
/// The prefetch distance for weights that are read once, in bytes: the hardware prefetchers stay closer.
#define BYTES_AHEAD 16384

/// Unpacks the codes of 32 columns of 16 rows to bytes: lane r of vector g holds columns 4g … 4g + 3 of row r.
INLINE void unpack(const int bits, const martlet_table table, const uint8_t *codes, __m512i *w) {
    if (bits == 8) {
        for (int g = 0; g < GROUPS; g++) w[g] = _mm512_loadu_si512(codes + 64 * g);
        return;
    }
    const __m512i low = _mm512_set1_epi8(15), two = _mm512_set1_epi8(0x30);
    for (int j = 0; j < 4; j++) {
        const __m512i v = _mm512_loadu_si512(codes + 64 * j);
        w[j] = _mm512_and_si512(v, low);
        w[j + 4] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
    }
    if (table) {
        const __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)codes_of_table(table)));
        for (int g = 0; g < GROUPS; g++) w[g] = _mm512_shuffle_epi8(bytes, w[g]);
    }
    if (bits == 5) {
        const __m512i sixteen = _mm512_set1_epi8(16);
        for (int g = 0; g < GROUPS; g++) {
            uint64_t mask;
            __builtin_memcpy(&mask, codes + 256 + 8 * g, 8);
            w[g] = _mm512_mask_add_epi8(w[g], mask, w[g], sixteen);
        }
    } else if (bits == 6) {
        for (int h = 0; h < 2; h++) {
            const __m512i v = _mm512_loadu_si512(codes + 256 + 64 * h);
            w[4 * h] = _mm512_or_si512(w[4 * h], _mm512_and_si512(_mm512_slli_epi16(v, 4), two));
            w[4 * h + 1] = _mm512_or_si512(w[4 * h + 1], _mm512_and_si512(_mm512_slli_epi16(v, 2), two));
            w[4 * h + 2] = _mm512_or_si512(w[4 * h + 2], _mm512_and_si512(v, two));
            w[4 * h + 3] = _mm512_or_si512(w[4 * h + 3], _mm512_and_si512(_mm512_srli_epi16(v, 2), two));
        }
    }
}

INLINE __m512 half_row(const uint8_t *from) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)); }

INLINE __m512i four(const int8_t *codes) {
    int32_t value;
    __builtin_memcpy(&value, codes, 4);
    return _mm512_set1_epi32(value);
}

/// The zeros of the rows of a panel's block.
INLINE __m512i row_zeros(const uint8_t *header) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(header + 2 * MARTLET_PANEL)));
}

/// Adds one block to the accumulators of `count` activation rows; `single` where their low digits are zero.
INLINE void block_step(const bool single, const int parts, const bool minimum, const bool zeros, const int offset,
                       const int count, const __m512i *w, const uint8_t *header, const martlet_activations *x,
                       size_t row, size_t block, __m512 *acc) {
    const size_t blocks = x->columns / MARTLET_BLOCK;
    __m512 scale[2], low[2];
    for (int h = 0; h < parts; h++) {
        scale[h] = half_row(header + 32 * h);
        if (minimum) low[h] = half_row(header + 32 * (parts + h));
    }
    for (int c = 0; c < count; c++) {
        const size_t m = row + (size_t)c;
        const int8_t *codes = x->codes + (m * blocks + block) * 2 * MARTLET_BLOCK;
        const int32_t *sums = x->sums + (m * blocks + block) * 2;
        const __m512 factor = _mm512_set1_ps(x->scales[m * blocks + block]);
        for (int h = 0; h < parts; h++) {
            const int32_t sum = parts == 2 ? sums[h] : sums[0] + sums[1];
            __m512i high = _mm512_setzero_si512(), s = offset ? _mm512_set1_epi32(offset_of(offset, sum)) : high;
            for (int g = h * GROUPS / parts; g < (h + 1) * GROUPS / parts; g++) {
                high = _mm512_dpbusd_epi32(high, w[g], four(codes + 4 * g));
                if (!single) s = _mm512_dpbusd_epi32(s, w[g], four(codes + MARTLET_BLOCK + 4 * g));
            }
            s = _mm512_add_epi32(s, _mm512_slli_epi32(high, 8));
            if (zeros) s = _mm512_sub_epi32(s, _mm512_mullo_epi32(row_zeros(header), _mm512_set1_epi32(sum)));
            acc[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(scale[h], factor), acc[c]);
            if (minimum) {
                acc[c] = _mm512_fmadd_ps(low[h], _mm512_mul_ps(factor, _mm512_set1_ps((float)sum)), acc[c]);
            }
        }
    }
}

/// One panel for `count` activation rows.
INLINE void panel_rows(const bool single, const int bits, const int parts, const bool minimum, const bool zeros,
                       const martlet_table table, const int offset, const int count, const uint8_t *panel,
                       size_t block_bytes, const martlet_activations *x, size_t row, float *y, size_t stride,
                       __mmask16 mask) {
    const size_t header = (size_t)parts * 32 * (minimum ? 2 : 1) + (zeros ? MARTLET_PANEL : 0);
    __m512 acc[4];
    for (int c = 0; c < count; c++) acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < x->columns / MARTLET_BLOCK; b++, panel += block_bytes) {
        __m512i w[GROUPS];
        for (size_t line = 0; line < block_bytes; line += 64) {
            _mm_prefetch((const char *)((uintptr_t)panel + BYTES_AHEAD + line), _MM_HINT_T0);
        }
        unpack(bits, table, panel + header, w);
        block_step(single, parts, minimum, zeros, offset, count, w, panel, x, row, b, acc);
    }
    for (int c = 0; c < count; c++) _mm512_mask_storeu_ps(y + (row + (size_t)c) * stride, mask, acc[c]);
}

/// Two unpacked panels for four activation rows: the digits of a row are loaded once for both. The order of operations
/// is that of `block_step`. With `fetches`, the next pair is prefetched during the arithmetic: with few activation
/// rows, memory would otherwise be idle during the arithmetic, and the arithmetic units during the unpacking.
INLINE void pair_rows(const bool single, const int parts, const bool minimum, const bool zeros, const int offset,
                      const bool fetches, const uint8_t *panel, size_t panel_bytes, size_t block_bytes,
                      const uint8_t *bytes, const martlet_activations *x, size_t row, float *y, size_t stride,
                      const __mmask16 *mask) {
    const size_t blocks = x->columns / MARTLET_BLOCK;
    __m512 acc[2][4];
    for (int c = 0; c < 4; c++) acc[0][c] = acc[1][c] = _mm512_setzero_ps();
    const uintptr_t next = (uintptr_t)panel + 2 * panel_bytes;
    for (size_t b = 0; b < blocks; b++, panel += block_bytes) {
        if (fetches) {
            for (size_t line = 0; line < 2 * block_bytes; line += 64) {
                _mm_prefetch((const char *)(next + b * 2 * block_bytes + line), _MM_HINT_T0);
            }
        }
        for (int h = 0; h < parts; h++) {
            __m512i high[2][4], s[2][4];
            float factor[4];
            int32_t sum[4];
            for (int c = 0; c < 4; c++) {
                const size_t at = (row + (size_t)c) * blocks + b;
                const int32_t *sums = x->sums + at * 2;
                factor[c] = x->scales[at];
                sum[c] = parts == 2 ? sums[h] : sums[0] + sums[1];
                high[0][c] = high[1][c] = _mm512_setzero_si512();
                s[0][c] = s[1][c] = offset ? _mm512_set1_epi32(offset_of(offset, sum[c])) : high[0][c];
            }
            for (int g = h * GROUPS / parts; g < (h + 1) * GROUPS / parts; g++) {
                __m512i w[2];
                for (size_t p = 0; p < 2; p++) w[p] = _mm512_load_si512(bytes + (p * blocks + b) * 512 + 64 * g);
                for (int c = 0; c < 4; c++) {
                    const int8_t *codes = x->codes + ((row + (size_t)c) * blocks + b) * 2 * MARTLET_BLOCK + 4 * g;
                    const __m512i a = four(codes), rest = single ? a : four(codes + MARTLET_BLOCK);
                    for (int p = 0; p < 2; p++) {
                        high[p][c] = _mm512_dpbusd_epi32(high[p][c], w[p], a);
                        if (!single) s[p][c] = _mm512_dpbusd_epi32(s[p][c], w[p], rest);
                    }
                }
            }
            for (size_t p = 0; p < 2; p++) {
                const uint8_t *scales = panel + p * panel_bytes + 32 * h;
                const __m512 scale = half_row(scales);
                for (int c = 0; c < 4; c++) {
                    __m512i dot = _mm512_add_epi32(s[p][c], _mm512_slli_epi32(high[p][c], 8));
                    if (zeros) {
                        const __m512i total = _mm512_set1_epi32(sum[c]);
                        dot = _mm512_sub_epi32(dot, _mm512_mullo_epi32(row_zeros(scales), total));
                    }
                    const __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(factor[c]));
                    acc[p][c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), product, acc[p][c]);
                    if (minimum) {
                        const __m512 low = half_row(scales + 32 * parts);
                        acc[p][c] = _mm512_fmadd_ps(low, _mm512_set1_ps(factor[c] * (float)sum[c]), acc[p][c]);
                    }
                }
            }
        }
    }
    for (int p = 0; p < 2; p++) {
        float *out = y + row * stride + p * MARTLET_PANEL;
        for (size_t c = 0; c < 4; c++) _mm512_mask_storeu_ps(out + c * stride, mask[p], acc[p][c]);
    }
}

INLINE void quantized_panels(const bool single, const int bits, const int parts, const bool minimum, const bool zeros,
                             const martlet_table table, const int offset, const martlet_packing *packing,
                             const uint8_t *panels, size_t first, size_t last, const martlet_activations *x, float *y,
                             size_t stride, size_t outputs, uint8_t *scratch) {
    const size_t blocks = x->columns / MARTLET_BLOCK, size = packing->block_bytes;
    const size_t header = (size_t)parts * 32 * (minimum ? 2 : 1) + (zeros ? MARTLET_PANEL : 0);
    for (size_t p = first; p < last;) {
        const uint8_t *panel = panels + p * blocks * size;
        const size_t width = x->rows > 4 && last - p >= 2 ? 2 : 1;
        float *out = y + p * MARTLET_PANEL;
        __mmask16 mask[2];
        for (size_t i = 0; i < width; i++) {
            const size_t left = outputs - (p + i) * MARTLET_PANEL;
            mask[i] = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
        }
        p += width;
        size_t m = 0;
        if (width == 2) {
            for (size_t b = 0; b < 2 * blocks; b++) {
                __m512i w[GROUPS];
                unpack(bits, table, panel + b * size + header, w);
                for (int g = 0; g < GROUPS; g++) _mm512_store_si512(scratch + b * 512 + 64 * (size_t)g, w[g]);
            }
            if (m + 4 <= x->rows) {
                pair_rows(single, parts, minimum, zeros, offset, true, panel, blocks * size, size, scratch, x, m, out,
                          stride, mask);
                m += 4;
            }
            for (; m + 4 <= x->rows; m += 4) {
                pair_rows(single, parts, minimum, zeros, offset, false, panel, blocks * size, size, scratch, x, m, out,
                          stride, mask);
            }
        }
        const size_t from = m;
        for (size_t i = 0; i < width; i++) {
            m = from;
#define ROWS(n)                                                                                                      \
    for (; m + n <= x->rows; m += n)                                                                                 \
        panel_rows(single, bits, parts, minimum, zeros, table, offset, n, panel + i * blocks * size, size, x, m,     \
                   out + i * MARTLET_PANEL, stride, mask[i])
            ROWS(4);
            ROWS(2);
            ROWS(1);
#undef ROWS
        }
    }
}

INLINE __m512 float_row(const martlet_type type, const void *panel, size_t k) {
    if (type == MARTLET_F32) return _mm512_loadu_ps((const float *)panel + k * MARTLET_PANEL);
    const __m256i stored = _mm256_loadu_si256((const __m256i *)((const uint16_t *)panel + k * MARTLET_PANEL));
    if (type == MARTLET_F16) return _mm512_cvtph_ps(stored);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}

INLINE void float_tile(const martlet_type type, const int width, const int count, const uint8_t *panel,
                       size_t panel_bytes, const martlet_activations *x, size_t row, float *y, size_t stride,
                       const __mmask16 *mask) {
    __m512 acc[4][8];
    for (int p = 0; p < width; p++) {
        for (int c = 0; c < count; c++) acc[p][c] = _mm512_setzero_ps();
    }
    for (size_t k = 0; k < x->columns; k++) {
        __m512 w[4];
        for (int p = 0; p < width; p++) w[p] = float_row(type, panel + (size_t)p * panel_bytes, k);
        for (int c = 0; c < count; c++) {
            const __m512 value = _mm512_set1_ps(x->values[(row + (size_t)c) * x->columns + k]);
            for (int p = 0; p < width; p++) acc[p][c] = _mm512_fmadd_ps(w[p], value, acc[p][c]);
        }
    }
    for (int p = 0; p < width; p++) {
        for (int c = 0; c < count; c++) {
            _mm512_mask_storeu_ps(y + (row + (size_t)c) * stride + p * MARTLET_PANEL, mask[p], acc[p][c]);
        }
    }
}

INLINE void float_panels(const martlet_type type, const martlet_packing *packing, const uint8_t *panels, size_t first,
                         size_t last, const martlet_activations *x, float *y, size_t stride, size_t outputs) {
    const size_t size = packing->block_bytes * x->columns;
    for (size_t p = first; p < last;) {
        const size_t width = x->rows == 1 && last - p >= 4 ? 4 : last - p >= 2 ? 2 : 1;
        __mmask16 mask[4];
        for (size_t i = 0; i < width; i++) {
            const size_t left = outputs - (p + i) * MARTLET_PANEL;
            mask[i] = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
        }
        const uint8_t *panel = panels + p * size;
        float *out = y + p * MARTLET_PANEL;
        size_t m = 0;
#define TILE(w, n) \
    for (; m + n <= x->rows; m += n) float_tile(type, w, n, panel, size, x, m, out, stride, mask)
        if (width == 4) {
            TILE(4, 1);
        } else if (width == 2) {
            TILE(2, 8);
            TILE(2, 1);
        } else {
            TILE(1, 8);
            TILE(1, 1);
        }
#undef TILE
        p += width;
    }
}

// A function for each layout: in one for all of them, what the compiler keeps in registers changes with every layout added.
#define NAME(single_, bits_, parts_, minimum_, zeros_, table_, offset_)                                              \
    panels_##single_##_##bits_##_##parts_##_##minimum_##_##zeros_##_##table_##_##offset_
#define FUNCTION_OF(single_, bits_, parts_, minimum_, zeros_, table_, offset_)                                       \
    TARGET __attribute__((noinline)) static void NAME(single_, bits_, parts_, minimum_, zeros_, table_, offset_)(    \
        const martlet_packing *packing, const void *panels, size_t first, size_t last, const martlet_activations *x, \
        float *y, size_t stride, size_t outputs, uint8_t *scratch) {                                                 \
        quantized_panels(single_, bits_, parts_, minimum_, zeros_, table_, offset_, packing, panels, first, last, x, \
                         y, stride, outputs, scratch);                                                               \
    }
#define FUNCTION(...) FUNCTION_OF(false, __VA_ARGS__)
FOR_EVERY_LAYOUT(FUNCTION)
// The type of matrices whose files ask for inputs of eight bits.
FUNCTION_OF(true, 8, 1, false, false, MARTLET_TABLE_NONE, 128)
#undef FUNCTION
#undef FUNCTION_OF

TARGET static void multiply(const martlet_packing *packing, const void *panels, size_t first, size_t last,
                            const martlet_activations *x, float *y, size_t stride, size_t outputs, void *scratch) {
    uint8_t *aligned = (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
#define RUN(single_, bits_, parts_, minimum_, zeros_, table_, offset_)                                               \
    if (has_layout(packing, bits_, parts_, minimum_, zeros_, table_, offset_)) {                                     \
        NAME(single_, bits_, parts_, minimum_, zeros_, table_, offset_)(packing, panels, first, last, x, y, stride,  \
                                                                        outputs, aligned);                           \
        return;                                                                                                      \
    }
#define CASE(...) RUN(false, __VA_ARGS__)
    if (x->has_high_digits_only) { RUN(true, 8, 1, false, false, MARTLET_TABLE_NONE, 128) }
    FOR_EVERY_LAYOUT(CASE)
#undef CASE
#undef RUN
#undef NAME
    if (packing->sums_in_double) {
        wide_panels(packing, panels, first, last, x, y, stride, outputs);
        return;
    }
    switch (packing->float_type) {
    case MARTLET_F16: float_panels(MARTLET_F16, packing, panels, first, last, x, y, stride, outputs); break;
    case MARTLET_BF16: float_panels(MARTLET_BF16, packing, panels, first, last, x, y, stride, outputs); break;
    default: float_panels(MARTLET_F32, packing, panels, first, last, x, y, stride, outputs); break;
    }
}

TARGET static void quantize(const float *values, size_t rows, size_t columns, int8_t *codes, float *scales,
                            int32_t *sums) {
    for (size_t block = 0; block < rows * (columns / MARTLET_BLOCK); block++) {
        const __m512 a = _mm512_loadu_ps(values + block * 32), b = _mm512_loadu_ps(values + block * 32 + 16);
        const float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
        const __m512 most = _mm512_set1_ps(FLT_MAX);
        const bool finite = !(_mm512_cmp_ps_mask(_mm512_abs_ps(a), most, _CMP_NLE_UQ) |
                              _mm512_cmp_ps_mask(_mm512_abs_ps(b), most, _CMP_NLE_UQ));
        const __m512 inverse = _mm512_set1_ps(finite && top > 0 ? (float)MARTLET_ACTIVATION_TOP / top : 0);
        for (int half = 0; half < 2; half++) {
            const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(half ? b : a, inverse));
            // NaN converts to -2^31 and counts as zero.
            const __mmask16 number = _mm512_cmpneq_epi32_mask(rounded, _mm512_set1_epi32(INT32_MIN));
            const __m512i code = _mm512_maskz_mov_epi32(number, rounded);
            const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(code, _mm512_set1_epi32(128)), 8);
            const __m512i low = _mm512_sub_epi32(code, _mm512_slli_epi32(high, 8));
            int8_t *target = codes + block * 64 + 16 * half;
            _mm_storeu_si128((__m128i *)target, _mm512_cvtepi32_epi8(high));
            _mm_storeu_si128((__m128i *)(target + 32), _mm512_cvtepi32_epi8(low));
            sums[2 * block + (size_t)half] = _mm512_reduce_add_epi32(code);
        }
        scales[block] = finite ? top / (float)MARTLET_ACTIVATION_TOP : NAN;
    }
}
#endif

void martlet_fill_quantized_avx512(martlet_quantized_kernels *table) {
#if defined(__x86_64__)
    table->multiply = multiply;
    table->quantize = quantize;
    table->quantize_tokens = quantize_tokens;
#else
    (void)table;
#endif
}
