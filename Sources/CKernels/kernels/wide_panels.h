// Products with float32 panels whose sums are kept in float64. A product of two float32 numbers is exact in float64, so
// that a multiply-add that is fused and one that is not give the same bits, and with them every instruction set. Included
// once per set: TARGET, and WIDE_ROWS activation rows at a time, whose sums fit the set's registers.

#include <string.h>

typedef float wide_f32x8 __attribute__((ext_vector_type(8)));
typedef double wide_f64x8 __attribute__((ext_vector_type(8)));

/// One panel and `count` rows of x, a compile-time constant. `left` columns of y are there.
TARGET static inline __attribute__((always_inline)) void wide_tile(const int count, const float *panel,
                                                                   const martlet_activations *x, size_t row, float *y,
                                                                   size_t stride, size_t left) {
    wide_f64x8 sum[WIDE_ROWS][2];
#pragma clang loop unroll(full)
    for (int c = 0; c < count; c++) sum[c][0] = sum[c][1] = 0;
    for (size_t k = 0; k < x->columns; k++, panel += MARTLET_PANEL) {
        wide_f32x8 w[2];
        memcpy(w, panel, sizeof w);
        const wide_f64x8 low = __builtin_convertvector(w[0], wide_f64x8);
        const wide_f64x8 high = __builtin_convertvector(w[1], wide_f64x8);
#pragma clang loop unroll(full)
        for (int c = 0; c < count; c++) {
            const wide_f64x8 value = (wide_f64x8)(double)x->values[(row + (size_t)c) * x->columns + k];
            sum[c][0] += low * value;
            sum[c][1] += high * value;
        }
    }
#pragma clang loop unroll(full)
    for (int c = 0; c < count; c++) {
        wide_f32x8 out[2];
        out[0] = __builtin_convertvector(sum[c][0], wide_f32x8);
        out[1] = __builtin_convertvector(sum[c][1], wide_f32x8);
        memcpy(y + (row + (size_t)c) * stride, out, (left < MARTLET_PANEL ? left : MARTLET_PANEL) * sizeof *y);
    }
}

TARGET static void wide_panels(const martlet_packing *packing, const uint8_t *panels, size_t first, size_t last,
                               const martlet_activations *x, float *y, size_t stride, size_t outputs) {
    for (size_t p = first; p < last; p++) {
        const float *panel = (const float *)(panels + p * packing->block_bytes * x->columns);
        float *out = y + p * MARTLET_PANEL;
        const size_t left = outputs - p * MARTLET_PANEL;
        size_t m = 0;
        for (; m + WIDE_ROWS <= x->rows; m += WIDE_ROWS) wide_tile(WIDE_ROWS, panel, x, m, out, stride, left);
        for (; m < x->rows; m++) wide_tile(1, panel, x, m, out, stride, left);
    }
}
