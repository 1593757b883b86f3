// 8 x 48 tiles: 24 accumulators, 3 vectors of B, one of A. On Zen 5 (two 512-bit multiply-adds and two loads per
// cycle) a step of k is 24 multiply-adds, 12 cycles, and 11 loads.
#include "fill.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prfchw"))), \
                             apply_to = function)

#define VEC __m512
#define W 16
#define MR 8
#define NV 3
#define EACH_ROW(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

static inline __attribute__((always_inline)) __mmask16 lanes(int n) { return (__mmask16)((1u << n) - 1); }
#define vzero() _mm512_setzero_ps()
#define vload(p) _mm512_loadu_ps(p)
#define vload_part(p, n) _mm512_maskz_loadu_ps(lanes(n), p)
#define vstore(p, v) _mm512_storeu_ps(p, v)
#define vstore_part(p, v, n) _mm512_mask_storeu_ps(p, lanes(n), v)
#define vset1(x) _mm512_set1_ps(x)
#define vmul(x, y) _mm512_mul_ps(x, y)
#define vfma(x, y, acc) _mm512_fmadd_ps(x, y, acc)

#include "transpose16.h"
#define transpose(rows) transpose16(rows)

// 8 rows of 16 floats: the first half of the same transposition, then two k side by side fill a vector.
#define PK 16
static inline __attribute__((always_inline)) void pack_patch(const float *from, ptrdiff_t stride, int rows,
                                                             float *to) {
    __m512 r[8], t[8], lower[4], upper[4];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) r[i] = i < rows ? _mm512_loadu_ps(from + i * stride) : _mm512_setzero_ps();
    transpose_fours(8, r, t);
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
#pragma GCC unroll 4
    for (int x = 0; x < 4; x++) {
        lower[x] = _mm512_permutex2var_ps(t[x], low, t[4 + x]);   // k = x, then k = 4 + x
        upper[x] = _mm512_permutex2var_ps(t[x], high, t[4 + x]);  // k = 8 + x, then k = 12 + x
    }
#pragma GCC unroll 2
    for (int x = 0; x < 4; x += 2) {
        _mm512_storeu_ps(to + 8 * x, _mm512_shuffle_f32x4(lower[x], lower[x + 1], 0x44));
        _mm512_storeu_ps(to + 8 * (4 + x), _mm512_shuffle_f32x4(lower[x], lower[x + 1], 0xEE));
        _mm512_storeu_ps(to + 8 * (8 + x), _mm512_shuffle_f32x4(upper[x], upper[x + 1], 0x44));
        _mm512_storeu_ps(to + 8 * (12 + x), _mm512_shuffle_f32x4(upper[x], upper[x + 1], 0xEE));
    }
}

#include "gemm_kernel.h"

void martlet_fill_gemm_avx512(martlet_gemm_kernels *table) { FILL_GEMM(table); }

#pragma clang attribute pop
#else
void martlet_fill_gemm_avx512(martlet_gemm_kernels *table) { (void)table; }
#endif
