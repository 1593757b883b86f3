// Transposes 16 x 16 floats in registers, for files compiled with AVX-512. Bits are moved, whatever they stand for.
#pragma once
#include <immintrin.h>

/// Four rows at a time, pairs and then fours within each 128-bit lane: t[4g + x] holds column x of each lane for rows
/// 4g … 4g + 3.
static inline __attribute__((always_inline)) void transpose_fours(const int rows, const __m512 *r, __m512 *t) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; i += 4) {
        __m512 ab = _mm512_unpacklo_ps(r[i], r[i + 1]), cd = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
        __m512 ef = _mm512_unpackhi_ps(r[i], r[i + 1]), gh = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(ab, cd, 0x44);
        t[i + 1] = _mm512_shuffle_ps(ab, cd, 0xEE);
        t[i + 2] = _mm512_shuffle_ps(ef, gh, 0x44);
        t[i + 3] = _mm512_shuffle_ps(ef, gh, 0xEE);
    }
}

/// 16 x 16: by fours, then the lanes themselves twice.
static inline __attribute__((always_inline)) void transpose16(__m512 r[16]) {
    __m512 t[16];
    transpose_fours(16, r, t);
    // Column 4l + x gathers lane l of the four.
#pragma GCC unroll 8
    for (int x = 0; x < 4; x++) {
        __m512 a = _mm512_shuffle_f32x4(t[x], t[4 + x], 0x88), b = _mm512_shuffle_f32x4(t[8 + x], t[12 + x], 0x88);
        __m512 c = _mm512_shuffle_f32x4(t[x], t[4 + x], 0xDD), d = _mm512_shuffle_f32x4(t[8 + x], t[12 + x], 0xDD);
        r[x] = _mm512_shuffle_f32x4(a, b, 0x88);
        r[8 + x] = _mm512_shuffle_f32x4(a, b, 0xDD);
        r[4 + x] = _mm512_shuffle_f32x4(c, d, 0x88);
        r[12 + x] = _mm512_shuffle_f32x4(c, d, 0xDD);
    }
}
