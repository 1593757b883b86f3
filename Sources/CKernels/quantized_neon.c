#include "fill.h"
#include "quantized_blocks.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <float.h>
#include <math.h>
#include <string.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#define GROUPS 8
#define PLAIN static inline __attribute__((always_inline))

/// Bits of what is computed with: a table has bytes, or numbers of five bits.
PLAIN int wide_bits(const int bits, const martlet_table table) {
    return table == MARTLET_TABLE_IQ4 ? 8 : table == MARTLET_TABLE_FP4 ? 5 : bits;
}

/// The codes of group g of rows 4q … 4q + 3; 128 is subtracted from bytes.
PLAIN int8x16_t codes_of(const int bits, const martlet_table table, const uint8_t *codes, const int g, const int q) {
    if (bits == 8) return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes + 64 * g + 16 * q), vdupq_n_u8(0x80)));
    const uint8x16_t pair = vld1q_u8(codes + 64 * (g % 4) + 16 * q);
    uint8x16_t w = g < 4 ? vandq_u8(pair, vdupq_n_u8(15)) : vshrq_n_u8(pair, 4);
    if (table) {
        const uint8x16_t bytes = vqtbl1q_u8(vld1q_u8(codes_of_table(table)), w);
        return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(table == MARTLET_TABLE_IQ4 ? 0x80 : 0)));
    }
    if (bits == 5) {
        // Byte i tests bit i % 8 of byte i / 8.
        const uint8_t *word = codes + 256 + 8 * g + 2 * q;
        const uint8x16_t bytes = vcombine_u8(vld1_dup_u8(word), vld1_dup_u8(word + 1));
        const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
        w = vorrq_u8(w, vandq_u8(vtstq_u8(bytes, bit), vdupq_n_u8(16)));
    } else if (bits == 6) {
        const uint8x16_t v = vld1q_u8(codes + 256 + 64 * (g / 4) + 16 * q);
        const uint8x16_t two = vshlq_u8(v, vdupq_n_s8((int8_t)(4 - 2 * (g % 4))));
        w = vorrq_u8(w, vandq_u8(two, vdupq_n_u8(0x30)));
    }
    return vreinterpretq_s8_u8(w);
}

/// Four bytes, widened.
PLAIN int32x4_t four_zeros(const uint8_t *from) {
    uint32_t word;
    memcpy(&word, from, 4);
    const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(word));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

PLAIN float32x4_t four_halves(const void *from) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)from)));
}

/// Stores four rows from row `first`, as far as they are below `left`.
PLAIN void store_rows(float *y, float32x4_t acc, size_t left, size_t first) {
    if (left >= first + 4) {
        vst1q_f32(y, acc);
        return;
    }
    float lanes[4];
    vst1q_f32(lanes, acc);
    for (size_t r = 0; first + r < left; r++) y[r] = lanes[r];
}

PLAIN float32x4_t four_values(const martlet_type type, const void *panel, size_t at) {
    if (type == MARTLET_F32) return vld1q_f32((const float *)panel + at);
    if (type == MARTLET_F16) return four_halves((const uint16_t *)panel + at);
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)panel + at), 16));
}

/// One float panel for `count` activation rows.
PLAIN void float_tile(const martlet_type type, const int count, const uint8_t *panel, const martlet_activations *x,
                      size_t row, float *y, size_t stride, size_t left) {
    float32x4_t acc[6][4];
    for (int c = 0; c < count; c++) {
        for (int q = 0; q < 4; q++) acc[c][q] = vdupq_n_f32(0);
    }
    for (size_t k = 0; k < x->columns; k++) {
        float32x4_t w[4];
        for (int q = 0; q < 4; q++) w[q] = four_values(type, panel, k * MARTLET_PANEL + 4 * (size_t)q);
        for (int c = 0; c < count; c++) {
            const float value = x->values[(row + (size_t)c) * x->columns + k];
            for (int q = 0; q < 4; q++) acc[c][q] = vfmaq_n_f32(acc[c][q], w[q], value);
        }
    }
    for (int c = 0; c < count; c++) {
        for (int q = 0; q < 4; q++) {
            store_rows(y + (row + (size_t)c) * stride + 4 * q, acc[c][q], left, 4 * (size_t)q);
        }
    }
}

PLAIN void float_panels(const martlet_type type, const martlet_packing *packing, const uint8_t *panels, size_t first,
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

#define TARGET
#define WIDE_ROWS 4
#include "kernels/wide_panels.h"
#undef TARGET

static void multiply_floats(const martlet_packing *packing, const void *panels, size_t first, size_t last,
                            const martlet_activations *x, float *y, size_t stride, size_t outputs) {
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

#define TARGET
#include "kernels/quantized_tokens.h"
#define SUFFIX(name) name##_plain
#define DOT_PRODUCT 0
#include "kernels/quantized_neon.h"
#undef TARGET
#undef SUFFIX
#undef DOT_PRODUCT

#define TARGET __attribute__((target("dotprod")))
#define SUFFIX(name) name##_dotprod
#define DOT_PRODUCT 1
#include "kernels/quantized_neon.h"

static bool has_dot_product(void) {
#if defined(__ARM_FEATURE_DOTPROD)
    return true;
#elif defined(__linux__)
    return getauxval(AT_HWCAP) >> 20 & 1;  // HWCAP_ASIMDDP
#else
    return false;
#endif
}

static void quantize(const float *values, size_t rows, size_t columns, int8_t *codes, float *scales, int32_t *sums) {
    for (size_t block = 0; block < rows * (columns / MARTLET_BLOCK); block++) {
        float32x4_t v[8], largest = vdupq_n_f32(0);
        uint32x4_t fits = vdupq_n_u32(UINT32_MAX);
        for (int i = 0; i < 8; i++) {
            v[i] = vld1q_f32(values + block * 32 + 4 * (size_t)i);
            // The maximum of a number and NaN is the number.
            largest = vmaxnmq_f32(largest, vabsq_f32(v[i]));
            fits = vandq_u32(fits, vcleq_f32(vabsq_f32(v[i]), vdupq_n_f32(FLT_MAX)));
        }
        const bool finite = vminvq_u32(fits) != 0;
        const float top = vmaxnmvq_f32(largest), exact = finite && top > 0 ? (float)MARTLET_ACTIVATION_TOP / top : 0;
        // The inverse of a very small maximum is infinite: such values count as zeros. NaN converts to zero.
        const float inverse = exact < INFINITY ? exact : 0;
        for (int half = 0; half < 2; half++) {
            int32x4_t q[4];
            for (int i = 0; i < 4; i++) q[i] = vcvtnq_s32_f32(vmulq_n_f32(v[4 * half + i], inverse));
            int8_t *target = codes + block * 64 + 16 * (size_t)half;
            for (int i = 0; i < 2; i++) {
                const int16x8_t code = vcombine_s16(vmovn_s32(q[2 * i]), vmovn_s32(q[2 * i + 1]));
                const int16x8_t high = vrshrq_n_s16(code, 8);
                vst1_s8(target + 8 * i, vmovn_s16(high));
                vst1_s8(target + 32 + 8 * i, vmovn_s16(vsubq_s16(code, vshlq_n_s16(high, 8))));
            }
            sums[2 * block + (size_t)half] = vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
        }
        scales[block] = finite ? top / (float)MARTLET_ACTIVATION_TOP : NAN;
    }
}
#endif

void martlet_fill_quantized_neon(martlet_quantized_kernels *table) {
#if defined(__aarch64__)
    table->multiply = has_dot_product() ? multiply_dotprod : multiply_plain;
    table->quantize = quantize;
    table->quantize_tokens = quantize_tokens;
#else
    (void)table;
#endif
}
