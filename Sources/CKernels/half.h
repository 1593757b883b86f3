// float16 and bfloat16 in portable C, for code that runs once. Round to nearest even; infinities and NaN kept.
#pragma once
#include <stdint.h>
#include <string.h>

static inline float bits_to_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint32_t float_to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static inline float bfloat_to_float(uint16_t value) { return bits_to_float((uint32_t)value << 16); }

static inline float half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF;
    if (rest >= 0x7C00) return bits_to_float(sign | 0x7F800000 | (rest & 0x3FF) << 13);
    if (rest >= 0x0400) return bits_to_float(sign | ((rest << 13) + 0x38000000));
    // Subnormal: rest · 2⁻²⁴, exact in float.
    const float value = (float)rest * 0x1p-24f;
    return sign ? -value : value;
}

static inline uint16_t float_to_half(float value) {
    const uint32_t bits = float_to_bits(value);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00);
    if (magnitude < 0x38800000) {
        // The sum aligns the value to units of 2⁻²⁴ and rounds as the processor does.
        const float aligned = bits_to_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (float_to_bits(aligned) - 0x3F000000));
    }
    const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}
