// 8 x 12 tiles: 24 accumulators, 3 vectors of B, one of A, of the 32 registers.
#include "fill.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define VEC float32x4_t
#define W 4
#define MR 8
#define NV 3
#define EACH_ROW(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

static inline __attribute__((always_inline)) float32x4_t load_part(const float *p, int n) {
    float lanes[4] = {0};
    for (int i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
static inline __attribute__((always_inline)) void store_part(float *p, float32x4_t v, int n) {
    float lanes[4];
    vst1q_f32(lanes, v);
    for (int i = 0; i < n; i++) p[i] = lanes[i];
}
#define vzero() vdupq_n_f32(0)
#define vload(p) vld1q_f32(p)
#define vload_part(p, n) load_part(p, n)
#define vstore(p, v) vst1q_f32(p, v)
#define vstore_part(p, v, n) store_part(p, v, n)
#define vset1(x) vdupq_n_f32(x)
#define vmul(x, y) vmulq_f32(x, y)
#define vfma(x, y, acc) vfmaq_f32(acc, x, y)

static inline __attribute__((always_inline)) void transpose(float32x4_t r[4]) {
    float32x4_t a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]);
    float32x4_t c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    r[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    r[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    r[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

#define PK 4
static inline __attribute__((always_inline)) void pack_patch(const float *from, ptrdiff_t stride, int rows,
                                                             float *to) {
    for (int half = 0; half < 8; half += 4) {
        float32x4_t r[4];
        for (int i = 0; i < 4; i++) r[i] = half + i < rows ? vld1q_f32(from + (half + i) * stride) : vzero();
        transpose(r);
        for (int x = 0; x < 4; x++) vst1q_f32(to + 8 * x + half, r[x]);
    }
}

#include "gemm_kernel.h"

void martlet_fill_gemm_neon(martlet_gemm_kernels *table) { FILL_GEMM(table); }
#else
void martlet_fill_gemm_neon(martlet_gemm_kernels *table) { (void)table; }
#endif
