// Transposes 8 x 8 floats in registers, for files compiled with AVX2.
#pragma once
#include <immintrin.h>

static inline __attribute__((always_inline)) void transpose8(__m256 r[8]) {
    __m256 t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
        __m256 ab = _mm256_unpacklo_ps(r[i], r[i + 1]), cd = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        __m256 ef = _mm256_unpackhi_ps(r[i], r[i + 1]), gh = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(ab, cd, 0x44);
        t[i + 1] = _mm256_shuffle_ps(ab, cd, 0xEE);
        t[i + 2] = _mm256_shuffle_ps(ef, gh, 0x44);
        t[i + 3] = _mm256_shuffle_ps(ef, gh, 0xEE);
    }
#pragma GCC unroll 8
    for (int x = 0; x < 4; x++) {
        r[x] = _mm256_permute2f128_ps(t[x], t[4 + x], 0x20);
        r[4 + x] = _mm256_permute2f128_ps(t[x], t[4 + x], 0x31);
    }
}
