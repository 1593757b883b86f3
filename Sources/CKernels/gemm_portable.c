// The same product in plain C: vectors of four floats, and fmaf, which rounds once on every processor.
#include "fill.h"

#include <math.h>

typedef struct {
    float lane[4];
} four;

#define VEC four
#define W 4
#define MR 4
#define NV 2
#define EACH_ROW(X) X(1) X(2) X(3) X(4)

static inline four vzero(void) { return (four){{0, 0, 0, 0}}; }
static inline four vload(const float *p) { return (four){{p[0], p[1], p[2], p[3]}}; }
static inline four vload_part(const float *p, int n) {
    four v = vzero();
    for (int i = 0; i < n; i++) v.lane[i] = p[i];
    return v;
}
static inline void vstore_part(float *p, four v, int n) {
    for (int i = 0; i < n; i++) p[i] = v.lane[i];
}
static inline void vstore(float *p, four v) { vstore_part(p, v, 4); }
static inline four vset1(float x) { return (four){{x, x, x, x}}; }
static inline four vmul(four x, four y) {
    for (int i = 0; i < 4; i++) x.lane[i] *= y.lane[i];
    return x;
}
static inline four vfma(four x, four y, four acc) {
    for (int i = 0; i < 4; i++) acc.lane[i] = fmaf(x.lane[i], y.lane[i], acc.lane[i]);
    return acc;
}
static inline void transpose(four r[4]) {
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            float upper = r[j].lane[i];
            r[j].lane[i] = r[i].lane[j];
            r[i].lane[j] = upper;
        }
    }
}

#define PK 1
static inline void pack_patch(const float *from, ptrdiff_t stride, int rows, float *to) {
    for (int r = 0; r < MR; r++) to[r] = r < rows ? from[r * stride] : 0;
}

#include "gemm_kernel.h"

void martlet_fill_gemm_portable(martlet_gemm_kernels *table) { FILL_GEMM(table); }
