#include "fill.h"
#include "half.h"
#include "quantized_blocks.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define TARGET
#define WIDE_ROWS 1
#include "kernels/wide_panels.h"
#undef TARGET

#define TARGET
#include "kernels/quantized_tokens.h"

static uint8_t code_at(int bits, const uint8_t *codes, int column, int row) {
    const int g = column / 4, i = column % 4;
    if (bits == 8) return codes[g * 64 + 4 * row + i];
    const uint8_t pair = codes[g % 4 * 64 + 4 * row + i];
    uint8_t code = g < 4 ? pair & 15 : pair >> 4;
    if (bits == 5) {
        uint64_t word;
        memcpy(&word, codes + 256 + 8 * g, 8);
        code |= (uint8_t)((word >> (4 * row + i) & 1) << 4);
    } else if (bits == 6) {
        code |= (uint8_t)((codes[256 + g / 4 * 64 + 4 * row + i] >> (2 * (g % 4)) & 3) << 4);
    }
    return code;
}

static void quantized_panel(const martlet_packing *packing, const uint8_t *panel, const martlet_activations *x,
                            size_t row, float *acc) {
    const int parts = packing->parts, span = 32 / parts;
    const size_t header = header_bytes(packing), blocks = x->columns / MARTLET_BLOCK;
    const uint8_t *table = codes_of_table(packing->table);
    for (size_t b = 0; b < blocks; b++, panel += packing->block_bytes) {
        const uint16_t *scales = (const uint16_t *)panel;
        const int8_t *codes = x->codes + (row * blocks + b) * 2 * MARTLET_BLOCK;
        const int32_t *sums = x->sums + (row * blocks + b) * 2;
        const float factor = x->scales[row * blocks + b];
        for (int r = 0; r < MARTLET_PANEL; r++) {
            for (int h = 0; h < parts; h++) {
                const int32_t sum = parts == 2 ? sums[h] : sums[0] + sums[1];
                int32_t dot = offset_of(packing->has_zeros ? panel[32 + r] : packing->offset, sum);
                for (int k = h * span; k < (h + 1) * span; k++) {
                    const uint8_t code = code_at(packing->bits, panel + header, k, r);
                    dot += (int32_t)(table ? table[code] : code) * (256 * codes[k] + codes[k + MARTLET_BLOCK]);
                }
                acc[r] = fmaf((float)dot, half_to_float(scales[h * 16 + r]) * factor, acc[r]);
                if (packing->has_minimum) {
                    acc[r] = fmaf(half_to_float(scales[(parts + h) * 16 + r]), factor * (float)sum, acc[r]);
                }
            }
        }
    }
}

static void float_panel(const martlet_packing *packing, const void *panel, const martlet_activations *x, size_t row,
                        float *acc) {
    for (size_t k = 0; k < x->columns; k++) {
        const float value = x->values[row * x->columns + k];
        for (size_t r = 0; r < MARTLET_PANEL; r++) {
            const size_t at = k * MARTLET_PANEL + r;
            const float w = packing->float_type == MARTLET_F32    ? ((const float *)panel)[at]
                            : packing->float_type == MARTLET_F16 ? half_to_float(((const uint16_t *)panel)[at])
                                                                 : bfloat_to_float(((const uint16_t *)panel)[at]);
            acc[r] = fmaf(w, value, acc[r]);
        }
    }
}

static void multiply(const martlet_packing *packing, const void *panels, size_t first, size_t last,
                     const martlet_activations *x, float *y, size_t stride, size_t outputs, void *scratch) {
    (void)scratch;
    if (packing->sums_in_double) {
        wide_panels(packing, panels, first, last, x, y, stride, outputs);
        return;
    }
    const size_t size = martlet_panel_bytes(packing, x->columns);
    for (size_t p = first; p < last; p++) {
        const uint8_t *panel = (const uint8_t *)panels + p * size;
        for (size_t m = 0; m < x->rows; m++) {
            float acc[MARTLET_PANEL] = {0};
            if (packing->bits) {
                quantized_panel(packing, panel, x, m, acc);
            } else {
                float_panel(packing, panel, x, m, acc);
            }
            for (size_t r = 0; r < MARTLET_PANEL && p * MARTLET_PANEL + r < outputs; r++) {
                y[m * stride + p * MARTLET_PANEL + r] = acc[r];
            }
        }
    }
}

static void quantize(const float *values, size_t rows, size_t columns, int8_t *codes, float *scales, int32_t *sums) {
    for (size_t block = 0; block < rows * (columns / MARTLET_BLOCK); block++) {
        const float *x = values + block * 32;
        float top = 0;
        bool finite = true;
        for (int i = 0; i < 32; i++) {
            const float size = fabsf(x[i]);
            finite = finite && size <= FLT_MAX;
            top = size > top ? size : top;
        }
        const float inverse = finite && top > 0 ? (float)MARTLET_ACTIVATION_TOP / top : 0;
        sums[2 * block] = sums[2 * block + 1] = 0;
        for (int i = 0; i < 32; i++) {
            const float scaled = rintf(x[i] * inverse);
            const int32_t code = fabsf(scaled) <= MARTLET_ACTIVATION_TOP ? (int32_t)scaled : 0;
            const int32_t high = (code + 128) >> 8;
            codes[block * 64 + (size_t)i] = (int8_t)high;
            codes[block * 64 + 32 + (size_t)i] = (int8_t)(code - 256 * high);
            sums[2 * block + (size_t)(i / 16)] += code;
        }
        scales[block] = finite ? top / (float)MARTLET_ACTIVATION_TOP : NAN;
    }
}

void martlet_fill_quantized_portable(martlet_quantized_kernels *table) {
    table->multiply = multiply;
    table->quantize = quantize;
    table->quantize_tokens = quantize_tokens;
}
