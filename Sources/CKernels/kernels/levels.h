// Products with codes that are indices of 16 numbers, for one instruction set. A lane is a row of the panel.
#include "lanes.h"

/// Activation rows for which a panel's numbers are written down once instead of being looked up for each row again.
#define MANY_ROWS 4
/// Activation rows whose words are written down at a time: beside the numbers of a panel they fill the scratch.
#define STRIP_ROWS 16
#if defined(LANES_AVX512)
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif
/// The prefetch distance for weights that are read once, in bytes.
#define CODES_AHEAD 8192

typedef int16_t i16x32 __attribute__((ext_vector_type(32)));
typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
typedef int32_t i32x4 __attribute__((ext_vector_type(4)));

// `look_up` gives the numbers of eight columns of 16 rows: vector p has columns 2p and 2p + 1, those of a row side by side.
// `add_pairs` adds Σ number · activation over the two columns of such a vector, `pair` being both activations.

#if defined(LANES_AVX512)
typedef struct { __m512i low, high; } number_table;
INLINE number_table make_table(const int16_t *numbers) {
    uint8_t low[16], high[16];
    for (int i = 0; i < 16; i++) low[i] = (uint8_t)numbers[i], high[i] = (uint8_t)((uint16_t)numbers[i] >> 8);
    return (number_table){_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)low)),
                          _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)high))};
}
INLINE void look_up(number_table table, const uint8_t *codes, i16x32 *w) {
    const __m512i v = _mm512_loadu_si512(codes), mask = _mm512_set1_epi8(15);
    for (int half = 0; half < 2; half++) {
        const __m512i index = _mm512_and_si512(half ? _mm512_srli_epi16(v, 4) : v, mask);
        const __m512i low = _mm512_shuffle_epi8(table.low, index), high = _mm512_shuffle_epi8(table.high, index);
        w[2 * half] = (i16x32)_mm512_unpacklo_epi8(low, high);
        w[2 * half + 1] = (i16x32)_mm512_unpackhi_epi8(low, high);
    }
}
INLINE i32x16 add_pairs(i32x16 sum, i16x32 w, int32_t pair) {
    return (i32x16)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(pair));
}
#elif defined(LANES_AVX2)
typedef struct { __m256i low, high; } number_table;
INLINE number_table make_table(const int16_t *numbers) {
    uint8_t low[16], high[16];
    for (int i = 0; i < 16; i++) low[i] = (uint8_t)numbers[i], high[i] = (uint8_t)((uint16_t)numbers[i] >> 8);
    return (number_table){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                          _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high))};
}
INLINE void look_up(number_table table, const uint8_t *codes, i16x32 *w) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i v[2] = {_mm256_loadu_si256((const __m256i *)codes), _mm256_loadu_si256((const __m256i *)codes + 1)};
    for (int half = 0; half < 2; half++) {
        __m256i low[2], high[2];
        for (int s = 0; s < 2; s++) {
            const __m256i index = _mm256_and_si256(half ? _mm256_srli_epi16(v[s], 4) : v[s], mask);
            low[s] = _mm256_shuffle_epi8(table.low, index);
            high[s] = _mm256_shuffle_epi8(table.high, index);
        }
        w[2 * half].lo = (i16x16)_mm256_unpacklo_epi8(low[0], high[0]);
        w[2 * half].hi = (i16x16)_mm256_unpacklo_epi8(low[1], high[1]);
        w[2 * half + 1].lo = (i16x16)_mm256_unpackhi_epi8(low[0], high[0]);
        w[2 * half + 1].hi = (i16x16)_mm256_unpackhi_epi8(low[1], high[1]);
    }
}
INLINE i32x16 add_pairs(i32x16 sum, i16x32 w, int32_t pair) {
    const __m256i x = _mm256_set1_epi32(pair);
    i32x16 products;
    products.lo = (i32x8)_mm256_madd_epi16((__m256i)w.lo, x);
    products.hi = (i32x8)_mm256_madd_epi16((__m256i)w.hi, x);
    return sum + products;
}
#elif defined(LANES_NEON)
typedef struct { uint8x16_t low, high; } number_table;
INLINE number_table make_table(const int16_t *numbers) {
    const uint8x16x2_t bytes = vld2q_u8((const uint8_t *)numbers);
    return (number_table){bytes.val[0], bytes.val[1]};
}
INLINE void look_up(number_table table, const uint8_t *codes, i16x32 *w) {
    uint8x16_t words[4][4];
    for (int q = 0; q < 4; q++) {
        const uint8x16_t v = vld1q_u8(codes + 16 * q);
        for (int half = 0; half < 2; half++) {
            const uint8x16_t index = half ? vshrq_n_u8(v, 4) : vandq_u8(v, vdupq_n_u8(15));
            const uint8x16_t low = vqtbl1q_u8(table.low, index), high = vqtbl1q_u8(table.high, index);
            words[2 * half][q] = vzip1q_u8(low, high);
            words[2 * half + 1][q] = vzip2q_u8(low, high);
        }
    }
    for (int p = 0; p < 4; p++) memcpy(w + p, words[p], sizeof *w);
}
INLINE i32x16 add_pairs(i32x16 sum, i16x32 w, int32_t pair) {
    const int16x8_t x = vreinterpretq_s16_s32(vdupq_n_s32(pair));
    int16x8_t words[4];
    int32x4_t products[4];
    i32x16 all;
    memcpy(words, &w, sizeof words);
    for (int q = 0; q < 4; q++) {
        products[q] = vpaddq_s32(vmull_s16(vget_low_s16(words[q]), vget_low_s16(x)), vmull_high_s16(words[q], x));
    }
    memcpy(&all, products, sizeof all);
    return sum + all;
}
#else
typedef const int16_t *number_table;
INLINE number_table make_table(const int16_t *numbers) { return numbers; }
INLINE void look_up(number_table table, const uint8_t *codes, i16x32 *w) {
    int16_t words[4][32];
    for (int q = 0; q < 4; q++) {
        for (int p = 0; p < 2; p++) {
            for (int i = 0; i < 8; i++) {
                const uint8_t pair = codes[16 * q + 8 * p + i];
                words[p][8 * q + i] = table[pair & 15];
                words[p + 2][8 * q + i] = table[pair >> 4];
            }
        }
    }
    memcpy(w, words, sizeof words);
}
INLINE i32x16 add_pairs(i32x16 sum, i16x32 w, int32_t pair) {
    int16_t x[2];
    memcpy(x, &pair, sizeof x);
    return sum + __builtin_convertvector(w.even, i32x16) * x[0] + __builtin_convertvector(w.odd, i32x16) * x[1];
}
#endif

/// The activations of a block as words 256 · high + low.
INLINE void block_words(const int8_t *digits, int16_t *words) {
    for (size_t i = 0; i < MARTLET_BLOCK; i += 16) {
        i8x16 high, low;
        memcpy(&high, digits + i, sizeof high);
        memcpy(&low, digits + MARTLET_BLOCK + i, sizeof low);
        const i16x16 word = __builtin_convertvector(high, i16x16) * 256 + __builtin_convertvector(low, i16x16);
        memcpy(words + i, &word, sizeof word);
    }
}

INLINE int32_t pair_at(const int16_t *words, size_t k) {
    int32_t pair;
    memcpy(&pair, words + k, sizeof pair);
    return pair;
}

INLINE void store_sums(float *y, f32x16 sum, size_t left) {
    if (left >= LANES) store(y, sum);
    else store_part(y, sum, (ptrdiff_t)left);
}

/// One panel for `count` activation rows, whose words are [count][columns]: its numbers are looked up as they are used, or,
/// where they are written down, [columns / 2][16][2], read.
INLINE void levels_tile(const size_t count, const bool written, const martlet_levels *levels, const uint8_t *panel,
                        const int16_t *numbers, const int16_t *words, const martlet_activations *x, size_t row, float *y,
                        size_t stride, size_t left) {
    const size_t columns = levels->columns, blocks = columns / MARTLET_BLOCK, runs = columns / levels->run;
    const size_t blocks_in_run = levels->run / MARTLET_BLOCK;
    const uint8_t *codes = panel + runs * LANES * 4;
    const float *scales = (const float *)panel;
    const number_table table = make_table(levels->numbers);
    f32x16 acc[TILE_ROWS];
    for (size_t c = 0; c < count; c++) acc[c] = splat(0);
    size_t b = 0;
    for (size_t run = 0; run < runs; run++, scales += LANES) {
        const f32x16 scale = load(scales);
        for (size_t end = b + blocks_in_run; b < end; b++) {
            f32x16 total[TILE_ROWS];
#pragma clang loop unroll(full)
            for (size_t o = 0; o < MARTLET_BLOCK / 8; o++) {
                i16x32 w[4];
                if (written) {
                    memcpy(w, numbers + (b * 4 + o) * 128, sizeof w);
                } else {
                    const uint8_t *place = codes + (b * 4 + o) * 64;
                    __builtin_prefetch((const void *)((uintptr_t)place + CODES_AHEAD));
                    look_up(table, place, w);
                }
                for (size_t c = 0; c < count; c++) {
                    const int16_t *x8 = words + c * columns + b * MARTLET_BLOCK + 8 * o;
                    const i32x16 first = add_pairs(add_pairs((i32x16)0, w[0], pair_at(x8, 0)), w[1], pair_at(x8, 2));
                    const i32x16 second = add_pairs(add_pairs((i32x16)0, w[2], pair_at(x8, 4)), w[3], pair_at(x8, 6));
                    const f32x16 part =
                        __builtin_convertvector(first, f32x16) + __builtin_convertvector(second, f32x16);
                    total[c] = o == 0 ? part : total[c] + part;
                }
            }
            for (size_t c = 0; c < count; c++) {
                acc[c] = fma16(total[c], scale * splat(x->scales[(row + c) * blocks + b]), acc[c]);
            }
        }
    }
    for (size_t c = 0; c < count; c++) store_sums(y + (row + c) * stride, acc[c], left);
}

static void multiply_levels(const martlet_levels *levels, const void *panels, size_t first, size_t last,
                            const martlet_activations *x, float *y, size_t stride, size_t outputs, void *scratch) {
    int16_t *numbers = (int16_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    const size_t columns = levels->columns, size = martlet_levels_panel_bytes(levels);
    int16_t *words = numbers + columns * LANES;
    for (size_t row = 0; row < x->rows; row += STRIP_ROWS) {
        const size_t count = x->rows - row < STRIP_ROWS ? x->rows - row : STRIP_ROWS;
        for (size_t b = 0; b < count * columns / MARTLET_BLOCK; b++) {
            block_words(x->codes + (row * columns + b * MARTLET_BLOCK) * 2, words + b * MARTLET_BLOCK);
        }
        for (size_t p = first; p < last; p++) {
            const uint8_t *panel = (const uint8_t *)panels + p * size;
            const size_t left = outputs - p * LANES;
            float *out = y + p * LANES;
            size_t m = 0;
#define ROWS(n, written)                                                                                              \
    for (; m + n <= count; m += n)                                                                                    \
        levels_tile(n, written, levels, panel, numbers, words + m * columns, x, row + m, out, stride, left)
            if (count >= MANY_ROWS) {
                const number_table table = make_table(levels->numbers);
                const uint8_t *codes = panel + columns / levels->run * LANES * 4;
                for (size_t o = 0; o < columns / 8; o++) {
                    i16x32 w[4];
                    look_up(table, codes + 64 * o, w);
                    memcpy(numbers + 128 * o, w, sizeof w);
                }
                ROWS(TILE_ROWS, true);
                ROWS(1, true);
            } else {
                ROWS(2, false);
                ROWS(1, false);
            }
#undef ROWS
        }
    }
}

static void fill_levels(martlet_levels_kernels *table) { table->multiply = multiply_levels; }
