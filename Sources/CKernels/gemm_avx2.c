// 6 x 16 tiles: 12 accumulators, 2 vectors of B, one of A, of the 16 registers.
#include "fill.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)

#include "transpose8.h"

#define VEC __m256
#define W 8
#define MR 6
#define NV 2
#define EACH_ROW(X) X(1) X(2) X(3) X(4) X(5) X(6)

/// The first n of 8 lanes, as a mask of sign bits.
static inline __attribute__((always_inline)) __m256i lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#define vzero() _mm256_setzero_ps()
#define vload(p) _mm256_loadu_ps(p)
#define vload_part(p, n) _mm256_maskload_ps(p, lanes(n))
#define vstore(p, v) _mm256_storeu_ps(p, v)
#define vstore_part(p, v, n) _mm256_maskstore_ps(p, lanes(n), v)
#define vset1(x) _mm256_set1_ps(x)
#define vmul(x, y) _mm256_mul_ps(x, y)
#define vfma(x, y, acc) _mm256_fmadd_ps(x, y, acc)
#define transpose(r) transpose8(r)

#define PK 8
static inline __attribute__((always_inline)) void pack_patch(const float *from, ptrdiff_t stride, int rows,
                                                             float *to) {
    __m256 r[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) r[i] = i < rows ? _mm256_loadu_ps(from + i * stride) : _mm256_setzero_ps();
    transpose8(r);
    // Six of eight lanes: four, then two.
#pragma GCC unroll 8
    for (int x = 0; x < 8; x++) {
        _mm_storeu_ps(to + 6 * x, _mm256_castps256_ps128(r[x]));
        _mm_storel_pi((__m64 *)(to + 6 * x + 4), _mm256_extractf128_ps(r[x], 1));
    }
}

#include "gemm_kernel.h"

void martlet_fill_gemm_avx2(martlet_gemm_kernels *table) { FILL_GEMM(table); }

#pragma clang attribute pop
#else
void martlet_fill_gemm_avx2(martlet_gemm_kernels *table) { (void)table; }
#endif
