// Sixteen floats, the unit in which the attention and vector kernels are written once for every instruction set:
// one register of AVX-512, two of AVX2, four of NEON or SSE. The arithmetic of a lane is IEEE 754 with explicit
// fused multiply-adds, so every set gives the same bits. Include inside the set's `clang attribute push`.
#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(off)
// These vectors are passed only between functions that are all inlined: no ABI has to be kept.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef int8_t i8x16 __attribute__((ext_vector_type(16)));
typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));

#define LANES 16

INLINE f32x16 splat(float x) { return (f32x16)x; }
INLINE i32x16 bits(f32x16 x) { return (i32x16)x; }
INLINE f32x16 from_bits(i32x16 x) { return (f32x16)x; }
/// Lane by lane: mask < 0 ? a : b.
INLINE f32x16 choose(i32x16 mask, f32x16 a, f32x16 b) { return mask ? a : b; }
INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
INLINE f32x16 magnitude(f32x16 x) { return from_bits(bits(x) & 0x7FFFFFFF); }
INLINE f32x16 with_sign_of(f32x16 x, f32x16 sign) { return from_bits(bits(x) | (bits(sign) & (int32_t)0x80000000)); }
/// The larger of both; b if one is NaN.
INLINE f32x16 larger(f32x16 a, f32x16 b) { return choose(a > b, a, b); }
INLINE i32x16 lane_numbers(void) { return (i32x16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

INLINE f32x16 load(const float *p) {
    f32x16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store(float *p, f32x16 v) { memcpy(p, &v, sizeof v); }

#if defined(LANES_AVX512)
/// Loads the first n of 16; the others are zero.
INLINE f32x16 load_part(const float *p, ptrdiff_t n) {
    return (f32x16)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INLINE void store_part(float *p, f32x16 v, ptrdiff_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#else
INLINE f32x16 load_part(const float *p, ptrdiff_t n) {
    f32x16 v = 0;
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
INLINE void store_part(float *p, f32x16 v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
#endif

/// Adds the upper half to the lower half until one lane is left.
INLINE float sum_lanes(f32x16 v) {
    f32x8 a = v.lo + v.hi;
    f32x4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}

INLINE float largest_lane(f32x16 v) {
    f32x8 a = v.lo > v.hi ? v.lo : v.hi;
    f32x4 b = a.lo > a.hi ? a.lo : a.hi;
    float even = b.x > b.z ? b.x : b.z, odd = b.y > b.w ? b.y : b.w;
    return even > odd ? even : odd;
}

// IEEE half precision. NaNs become quiet and keep their sign and leading bits, as in the processors' instructions.

#if defined(LANES_AVX512)
INLINE f32x16 widen_half(u16x16 h) { return (f32x16)_mm512_cvtph_ps((__m256i)h); }
INLINE u16x16 narrow_half(f32x16 x) {
    return (u16x16)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#elif defined(LANES_AVX2)
typedef uint16_t u16x8 __attribute__((ext_vector_type(8)));
INLINE f32x16 widen_half(u16x16 h) {
    f32x16 v;
    v.lo = (f32x8)_mm256_cvtph_ps((__m128i)h.lo);
    v.hi = (f32x8)_mm256_cvtph_ps((__m128i)h.hi);
    return v;
}
INLINE u16x16 narrow_half(f32x16 x) {
    u16x16 h;
    h.lo = (u16x8)_mm256_cvtps_ph((__m256)x.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    h.hi = (u16x8)_mm256_cvtps_ph((__m256)x.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return h;
}
#elif defined(LANES_NEON)
typedef __fp16 f16x16 __attribute__((ext_vector_type(16)));
INLINE f32x16 widen_half(u16x16 h) { return __builtin_convertvector((f16x16)h, f32x16); }
INLINE u16x16 narrow_half(f32x16 x) { return (u16x16)__builtin_convertvector(x, f16x16); }
#else
INLINE f32x16 widen_half(u16x16 h) {
    i32x16 wide = __builtin_convertvector(h, i32x16);
    i32x16 value = (wide & 0x7FFF) << 13, exponent = value & 0x0F800000;
    i32x16 normal = value + ((127 - 15) << 23);
    // A subnormal half: its bits with an exponent of 2^-14, minus 2^-14, exact.
    i32x16 tiny = bits(from_bits(value + (113 << 23)) - splat(0x1p-14f));
    i32x16 special = (value | 0x7F800000) | (value << 9 != 0 ? (i32x16)0x00400000 : (i32x16)0);
    i32x16 result = exponent == 0 ? tiny : normal;
    result = exponent == 0x0F800000 ? special : result;
    return from_bits(result | (wide & 0x8000) << 16);
}
INLINE u16x16 narrow_half(f32x16 x) {
    i32x16 all = bits(x), value = all & 0x7FFFFFFF, sign = (i32x16)((u32x16)all >> 16) & 0x8000;
    // Normal result: move the exponent and round at bit 13, ties to even; a carry may reach infinity.
    i32x16 normal = (value - ((127 - 15) << 23) + 0xFFF + ((value >> 13) & 1)) >> 13;
    // Subnormal result: adding 0.5 leaves a multiple of 2^-24 in the lowest bits, rounded by the addition.
    i32x16 tiny = bits(from_bits(value) + splat(0.5f)) - 0x3F000000;
    i32x16 not_a_number = 0x7E00 | ((value >> 13) & 0x3FF);
    i32x16 result = value < 0x38800000 ? tiny : normal;
    result = value >= 0x47800000 ? (i32x16)0x7C00 : result;
    result = value > 0x7F800000 ? not_a_number : result;
    return __builtin_convertvector(result | sign, u16x16);
}
#endif

INLINE f32x16 widen_brain(u16x16 b) { return from_bits(__builtin_convertvector(b, i32x16) << 16); }
INLINE u16x16 narrow_brain(f32x16 x) {
    u32x16 all = (u32x16)x;
    u32x16 rounded = (all + 0x7FFF + ((all >> 16) & 1)) >> 16, quiet = (all >> 16) | 0x40;
    u32x16 result = (bits(x) & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded;
    return __builtin_convertvector(result, u16x16);
}

INLINE u16x16 load_u16(const uint16_t *p) {
    u16x16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store_u16(uint16_t *p, u16x16 v) { memcpy(p, &v, sizeof v); }
