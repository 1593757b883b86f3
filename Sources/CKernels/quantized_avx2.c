#include "fill.h"
#include "quantized_blocks.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE TARGET static inline __attribute__((always_inline))
#include "kernels/quantized_tokens.h"
#define GROUPS 8
#define WIDE_ROWS 2
#include "kernels/wide_panels.h"

// The 16 rows of a panel are two vectors of 8: half s of group g holds rows 8s … 8s + 7.
//
// vpmaddubsw multiplies unsigned codes by signed activations and adds two products into 16 bits, saturating. Codes up
// to 15 leave room for eight of its results (8 · 2 · 15 · 128 = 30,720), codes up to 31 for four, up to 63 for two.
// Bytes overflow even once (2 · 255 · 128): they are multiplied as words, with both digits of an activation at once. Every
// sum is exact.

/// Unpacks half s of the codes to bytes, [group][32].
INLINE void unpack(const int bits, const martlet_table table, const uint8_t *codes, const int s, __m256i *w) {
    const __m256i low = _mm256_set1_epi8(15), two = _mm256_set1_epi8(0x30);
    if (bits == 8) {
        for (int g = 0; g < GROUPS; g++) w[g] = _mm256_loadu_si256((const __m256i *)(codes + 64 * g + 32 * s));
    } else {
        for (int j = 0; j < 4; j++) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(codes + 64 * j + 32 * s));
            w[j] = _mm256_and_si256(v, low);
            w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
        }
    }
    if (table) {
        const __m128i sixteen = _mm_loadu_si128((const __m128i *)codes_of_table(table));
        const __m256i bytes = _mm256_broadcastsi128_si256(sixteen);
        for (int g = 0; g < GROUPS; g++) w[g] = _mm256_shuffle_epi8(bytes, w[g]);
    }
    if (bits == 5) {
        // Spread 32 bits to 32 bytes: byte i tests bit i % 8 of byte i / 8.
        const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
        const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2,
                                                2, 3, 3, 3, 3, 3, 3, 3, 3);
        for (int g = 0; g < GROUPS; g++) {
            int32_t word;
            __builtin_memcpy(&word, codes + 256 + 8 * g + 4 * s, 4);
            const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(word), spread);
            const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
            w[g] = _mm256_or_si256(w[g], _mm256_and_si256(set, _mm256_set1_epi8(16)));
        }
    } else if (bits == 6) {
        for (int h = 0; h < 2; h++) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(codes + 256 + 64 * h + 32 * s));
            w[4 * h] = _mm256_or_si256(w[4 * h], _mm256_and_si256(_mm256_slli_epi16(v, 4), two));
            w[4 * h + 1] = _mm256_or_si256(w[4 * h + 1], _mm256_and_si256(_mm256_slli_epi16(v, 2), two));
            w[4 * h + 2] = _mm256_or_si256(w[4 * h + 2], _mm256_and_si256(v, two));
            w[4 * h + 3] = _mm256_or_si256(w[4 * h + 3], _mm256_and_si256(_mm256_srli_epi16(v, 2), two));
        }
    }
}

INLINE __m256i four(const int8_t *codes) {
    int32_t value;
    __builtin_memcpy(&value, codes, 4);
    return _mm256_set1_epi32(value);
}

/// Σ of code · digit over groups first ..< last of one half, for `count` activation rows; `at` is the offset of the
/// digits.
INLINE void dot(const int bits, const int first, const int last, const int count, const int at, const __m256i *w,
                const int8_t *const *codes, __m256i *sum) {
    const __m256i ones = _mm256_set1_epi16(1);
    const int room = bits == 5 ? 4 : bits == 6 ? 2 : 8;
    for (int c = 0; c < count; c++) sum[c] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int start = first; start < last; start += room) {
        const int end = start + room < last ? start + room : last;
        __m256i narrow[4];
        for (int c = 0; c < count; c++) narrow[c] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (int g = start; g < end; g++) {
            for (int c = 0; c < count; c++) {
                narrow[c] = _mm256_add_epi16(narrow[c], _mm256_maddubs_epi16(w[g], four(codes[c] + at + 4 * g)));
            }
        }
        for (int c = 0; c < count; c++) sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(narrow[c], ones));
    }
}

/// The activations of a block as words 256 · high + low: those of even columns, then those of odd ones.
INLINE void make_words(const int8_t *digits, __m256i *words) {
    const __m256i high = _mm256_loadu_si256((const __m256i *)digits);
    const __m256i low = _mm256_loadu_si256((const __m256i *)(digits + MARTLET_BLOCK));
    const __m256i even = _mm256_slli_epi16(high, 8), odd = _mm256_andnot_si256(_mm256_set1_epi16(255), high);
    const __m256i even_low = _mm256_srai_epi16(_mm256_slli_epi16(low, 8), 8), odd_low = _mm256_srai_epi16(low, 8);
    words[0] = _mm256_add_epi16(even, even_low);
    words[1] = _mm256_add_epi16(odd, odd_low);
}

/// Σ of code · (256 · high + low) where codes are bytes: a multiplication of words adds two products into 32 bits, of
/// columns 0 and 2 of a group, then of 1 and 3.
INLINE void dot_bytes(const int first, const int last, const int count, const __m256i *w, const int8_t *const *codes,
                      __m256i *sum) {
    const __m256i byte = _mm256_set1_epi16(255);
    __m256i words[4][2];
    for (int c = 0; c < count; c++) {
        make_words(codes[c], words[c]);
        sum[c] = _mm256_setzero_si256();
    }
#pragma clang loop unroll(full)
    for (int g = first; g < last; g++) {
        const __m256i even = _mm256_and_si256(w[g], byte), odd = _mm256_srli_epi16(w[g], 8);
        for (int c = 0; c < count; c++) {
            const int8_t *from = (const int8_t *)words[c];
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(even, four(from + 4 * g)));
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(odd, four(from + MARTLET_BLOCK + 4 * g)));
        }
    }
}

INLINE __m256 eight_halves(const uint8_t *from) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }

/// Adds one block of half s of a panel, whose codes are unpacked, to the accumulators of `count` activation rows.
INLINE void block_step(const int bits, const int parts, const bool minimum, const bool zeros, const int offset,
                       const int count, const uint8_t *header, const __m256i *w, const int s,
                       const martlet_activations *x, size_t row, size_t block, __m256 *acc) {
    const size_t blocks = x->columns / MARTLET_BLOCK;
    const int8_t *codes[4];
    for (int c = 0; c < count; c++) codes[c] = x->codes + ((row + (size_t)c) * blocks + block) * 2 * MARTLET_BLOCK;
    for (int h = 0; h < parts; h++) {
        const __m256 scale = eight_halves(header + 32 * h + 16 * s);
        const int first = h * GROUPS / parts, last = (h + 1) * GROUPS / parts;
        __m256i sum[4], high[4];
        if (bits == 8) {
            dot_bytes(first, last, count, w, codes, sum);
        } else {
            dot(bits, first, last, count, 0, w, codes, high);
            dot(bits, first, last, count, MARTLET_BLOCK, w, codes, sum);
        }
        for (int c = 0; c < count; c++) {
            const size_t at = (row + (size_t)c) * blocks + block;
            const int32_t total = parts == 2 ? x->sums[2 * at + (size_t)h] : x->sums[2 * at] + x->sums[2 * at + 1];
            const __m256 factor = _mm256_set1_ps(x->scales[at]);
            if (bits != 8) sum[c] = _mm256_add_epi32(sum[c], _mm256_slli_epi32(high[c], 8));
            if (offset) sum[c] = _mm256_add_epi32(sum[c], _mm256_set1_epi32(offset_of(offset, total)));
            if (zeros) {
                const __m128i stored = _mm_loadl_epi64((const __m128i *)(header + 2 * MARTLET_PANEL + 8 * s));
                const __m256i zero = _mm256_cvtepu8_epi32(stored);
                sum[c] = _mm256_sub_epi32(sum[c], _mm256_mullo_epi32(zero, _mm256_set1_epi32(total)));
            }
            acc[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[c]), _mm256_mul_ps(scale, factor), acc[c]);
            if (minimum) {
                const __m256 low = eight_halves(header + 32 * (parts + h) + 16 * s);
                acc[c] = _mm256_fmadd_ps(low, _mm256_mul_ps(factor, _mm256_set1_ps((float)total)), acc[c]);
            }
        }
    }
}

INLINE void store_rows(float *out, __m256 values, size_t left) {
    if (left >= 8) {
        _mm256_storeu_ps(out, values);
        return;
    }
    float lanes[8];
    _mm256_storeu_ps(lanes, values);
    for (size_t r = 0; r < left; r++) out[r] = lanes[r];
}

/// One half panel, unpacked, for `count` activation rows over all blocks.
INLINE void half_rows(const int bits, const int parts, const bool minimum, const bool zeros, const int offset,
                      const int count, const uint8_t *panel, size_t block_bytes, const __m256i *codes, const int s,
                      const martlet_activations *x, size_t row, float *y, size_t stride, size_t left) {
    __m256 acc[4];
    for (int c = 0; c < count; c++) acc[c] = _mm256_setzero_ps();
    for (size_t b = 0; b < x->columns / MARTLET_BLOCK; b++, panel += block_bytes) {
        const __m256i *w = codes + (2 * b + (size_t)s) * GROUPS;
        block_step(bits, parts, minimum, zeros, offset, count, panel, w, s, x, row, b, acc);
    }
    for (int c = 0; c < count; c++) store_rows(y + (row + (size_t)c) * stride, acc[c], left);
}

/// One panel for one activation row: its codes are used as they are unpacked.
INLINE void single_row(const int bits, const int wide, const int parts, const bool minimum, const bool zeros,
                       const martlet_table table, const int offset, const uint8_t *panel, size_t block_bytes,
                       size_t header, const martlet_activations *x, float *y, size_t left) {
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t b = 0; b < x->columns / MARTLET_BLOCK; b++, panel += block_bytes) {
        for (size_t line = 0; line < block_bytes; line += 64) {
            _mm_prefetch((const char *)((uintptr_t)panel + 8 * block_bytes + line), _MM_HINT_T0);
        }
#pragma clang loop unroll(full)
        for (int s = 0; s < 2; s++) {
            __m256i w[GROUPS];
            unpack(bits, table, panel + header, s, w);
            block_step(wide, parts, minimum, zeros, offset, 1, panel, w, s, x, 0, b, acc + s);
        }
    }
    store_rows(y, acc[0], left);
    if (left > 8) store_rows(y + 8, acc[1], left - 8);
}

INLINE void quantized_panels(const int bits, const int parts, const bool minimum, const bool zeros,
                             const martlet_table table, const int offset, const martlet_packing *packing,
                             const uint8_t *panels, size_t first, size_t last, const martlet_activations *x, float *y,
                             size_t stride, size_t outputs, __m256i *scratch) {
    const size_t blocks = x->columns / MARTLET_BLOCK, size = packing->block_bytes;
    const size_t header = (size_t)parts * 32 * (minimum ? 2 : 1) + (zeros ? MARTLET_PANEL : 0);
    // What a table has are bytes, or numbers of five bits.
    const int wide = table == MARTLET_TABLE_IQ4 ? 8 : table == MARTLET_TABLE_FP4 ? 5 : bits;
    for (size_t p = first; p < last; p++) {
        const uint8_t *panel = panels + p * blocks * size;
        if (x->rows == 1) {
            const size_t column = p * MARTLET_PANEL;
            single_row(bits, wide, parts, minimum, zeros, table, offset, panel, size, header, x, y + column,
                       outputs - column);
            continue;
        }
        for (size_t b = 0; b < blocks; b++) {
            _mm_prefetch((const char *)(panel + (b + 8) * size), _MM_HINT_T0);
            _mm_prefetch((const char *)(panel + (b + 8) * size + 64), _MM_HINT_T0);
            for (int s = 0; s < 2; s++) {
                __m256i w[GROUPS];
                unpack(bits, table, panel + b * size + header, s, w);
                for (int g = 0; g < GROUPS; g++) scratch[(2 * b + (size_t)s) * GROUPS + (size_t)g] = w[g];
            }
        }
        for (int s = 0; s < 2; s++) {
            const size_t column = p * MARTLET_PANEL + 8 * (size_t)s;
            if (column >= outputs) break;
            const size_t left = outputs - column;
            size_t m = 0;
#define ROWS(n)                                                                                                   \
    for (; m + n <= x->rows; m += n)                                                                              \
        half_rows(wide, parts, minimum, zeros, offset, n, panel, size, scratch, s, x, m, y + column, stride, left)
            ROWS(4);
            ROWS(1);
#undef ROWS
        }
    }
}

INLINE __m256 float_row(const martlet_type type, const void *panel, size_t at) {
    if (type == MARTLET_F32) return _mm256_loadu_ps((const float *)panel + at);
    const __m128i stored = _mm_loadu_si128((const __m128i *)((const uint16_t *)panel + at));
    if (type == MARTLET_F16) return _mm256_cvtph_ps(stored);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(stored), 16));
}

/// One float panel for `count` activation rows.
INLINE void float_tile(const martlet_type type, const int count, const uint8_t *panel, const martlet_activations *x,
                       size_t row, float *y, size_t stride, size_t left) {
    __m256 acc[6][2];
    for (int c = 0; c < count; c++) acc[c][0] = acc[c][1] = _mm256_setzero_ps();
    for (size_t k = 0; k < x->columns; k++) {
        const __m256 first = float_row(type, panel, k * MARTLET_PANEL);
        const __m256 second = float_row(type, panel, k * MARTLET_PANEL + 8);
        for (int c = 0; c < count; c++) {
            const __m256 value = _mm256_broadcast_ss(x->values + (row + (size_t)c) * x->columns + k);
            acc[c][0] = _mm256_fmadd_ps(first, value, acc[c][0]);
            acc[c][1] = _mm256_fmadd_ps(second, value, acc[c][1]);
        }
    }
    for (int c = 0; c < count; c++) {
        float lanes[MARTLET_PANEL], *out = y + (row + (size_t)c) * stride;
        _mm256_storeu_ps(lanes, acc[c][0]);
        _mm256_storeu_ps(lanes + 8, acc[c][1]);
        for (size_t r = 0; r < MARTLET_PANEL && r < left; r++) out[r] = lanes[r];
    }
}

INLINE void float_panels(const martlet_type type, const martlet_packing *packing, const uint8_t *panels, size_t first,
                         size_t last, const martlet_activations *x, float *y, size_t stride, size_t outputs) {
    for (size_t p = first; p < last; p++) {
        const uint8_t *panel = panels + p * packing->block_bytes * x->columns;
        const size_t column = p * MARTLET_PANEL, left = outputs - column;
        size_t m = 0;
        for (; m + 6 <= x->rows; m += 6) float_tile(type, 6, panel, x, m, y + column, stride, left);
        for (; m + 2 <= x->rows; m += 2) float_tile(type, 2, panel, x, m, y + column, stride, left);
        for (; m < x->rows; m++) float_tile(type, 1, panel, x, m, y + column, stride, left);
    }
}

TARGET static void multiply(const martlet_packing *packing, const void *panels, size_t first, size_t last,
                            const martlet_activations *x, float *y, size_t stride, size_t outputs, void *scratch) {
    __m256i *aligned = (__m256i *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
#define CASE(bits_, parts_, minimum_, zeros_, table_, offset_)                                                       \
    if (has_layout(packing, bits_, parts_, minimum_, zeros_, table_, offset_)) {                                     \
        quantized_panels(bits_, parts_, minimum_, zeros_, table_, offset_, packing, panels, first, last, x, y, stride,\
                         outputs, aligned);                                                                          \
        return;                                                                                                      \
    }
    FOR_EVERY_LAYOUT(CASE)
#undef CASE
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

INLINE __m256 absolute(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

/// Rounds to the nearest integer, ties to even; NaN converts to -2^31 and counts as zero.
INLINE __m256i rounded(__m256 x) {
    const __m256i code = _mm256_cvtps_epi32(x);
    return _mm256_andnot_si256(_mm256_cmpeq_epi32(code, _mm256_set1_epi32(INT32_MIN)), code);
}

TARGET static void quantize(const float *values, size_t rows, size_t columns, int8_t *codes, float *scales,
                            int32_t *sums) {
    for (size_t block = 0; block < rows * (columns / MARTLET_BLOCK); block++) {
        __m256 v[4];
        for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(values + block * 32 + 8 * (size_t)i);
        const __m256 largest = _mm256_max_ps(_mm256_max_ps(absolute(v[0]), absolute(v[1])),
                                             _mm256_max_ps(absolute(v[2]), absolute(v[3])));
        const __m256 most = _mm256_set1_ps(FLT_MAX);
        __m256 odd = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) odd = _mm256_or_ps(odd, _mm256_cmp_ps(absolute(v[i]), most, _CMP_NLE_UQ));
        const bool finite = _mm256_movemask_ps(odd) == 0;
        float lanes[8], top = 0;
        _mm256_storeu_ps(lanes, largest);
        for (int i = 0; i < 8; i++) top = lanes[i] > top ? lanes[i] : top;
        const __m256 inverse = _mm256_set1_ps(finite && top > 0 ? (float)MARTLET_ACTIVATION_TOP / top : 0);
        for (int half = 0; half < 2; half++) {
            const __m256i p = rounded(_mm256_mul_ps(v[2 * half], inverse));
            const __m256i q = rounded(_mm256_mul_ps(v[2 * half + 1], inverse));
            const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(p, q), 0xD8);
            const __m256i high = _mm256_srai_epi16(_mm256_add_epi16(words, _mm256_set1_epi16(128)), 8);
            const __m256i low = _mm256_sub_epi16(words, _mm256_slli_epi16(high, 8));
            const __m256i digits = _mm256_permute4x64_epi64(_mm256_packs_epi16(high, low), 0xD8);
            int8_t *target = codes + block * 64 + 16 * half;
            _mm_storeu_si128((__m128i *)target, _mm256_castsi256_si128(digits));
            _mm_storeu_si128((__m128i *)(target + 32), _mm256_extracti128_si256(digits, 1));
            int32_t parts[8], sum = 0;
            _mm256_storeu_si256((__m256i *)parts, _mm256_add_epi32(p, q));
            for (int i = 0; i < 8; i++) sum += parts[i];
            sums[2 * block + (size_t)half] = sum;
        }
        scales[block] = finite ? top / (float)MARTLET_ACTIVATION_TOP : NAN;
    }
}
#endif

void martlet_fill_quantized_avx2(martlet_quantized_kernels *table) {
#if defined(__x86_64__)
    table->multiply = multiply;
    table->quantize = quantize;
    table->quantize_tokens = quantize_tokens;
#else
    (void)table;
#endif
}
