// Stored types whose codes are indices of a table (IQ1 … IQ4, MXFP4), and the ternary types.
#include "quantized_blocks.h"

#include "half.h"
#include "quantized_grids.h"

#include <string.h>

const uint8_t martlet_iq4_codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
const uint8_t martlet_fp4_codes[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
static const uint8_t iq2_magnitudes[4] = {8, 25, 43, 0};
static const uint8_t iq3_xxs_magnitudes[8] = {4, 12, 20, 28, 36, 44, 52, 62};

static uint16_t word16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | bytes[1] << 8); }
static uint32_t word32(const uint8_t *bytes) { return word16(bytes) | (uint32_t)word16(bytes + 2) << 16; }

/// Seven sign bits, and an eighth that makes the number of negative signs even.
static uint8_t even_signs(uint32_t seven) {
    seven &= 127;
    return (uint8_t)(seven | (uint32_t)(__builtin_popcount(seven) & 1) << 7);
}

static uint8_t signed_code(int magnitude, bool negative) { return (uint8_t)(128 + (negative ? -magnitude : magnitude)); }

/// Eight values of IQ2.
static void eight(uint16_t point, uint8_t signs, uint8_t *codes) {
    for (int i = 0; i < 8; i++) codes[i] = signed_code(iq2_magnitudes[point >> (2 * i) & 3], signs >> i & 1);
}

/// Four values of IQ3.
static void four(uint16_t point, bool is_small, uint8_t signs, uint8_t *codes) {
    for (int i = 0; i < 4; i++) {
        const int index = point >> (3 * i) & 7;
        codes[i] = signed_code(is_small ? iq3_xxs_magnitudes[index] : 2 * index + 1, signs >> i & 1);
    }
}

/// Eight values of IQ1 in eighths: -1, 0 or 1, plus or minus an eighth.
static void eighths(unsigned index, bool less, uint8_t *codes) {
    const uint16_t point = iq1_s_points[index];
    for (int i = 0; i < 8; i++) codes[i] = (uint8_t)(128 + 8 * ((point >> (2 * i) & 3) - 1) + (less ? -1 : 1));
}

static void nibbles(const uint8_t *qs, uint8_t *codes) {
    for (int i = 0; i < 16; i++) {
        codes[i] = qs[i] & 15;
        codes[i + 16] = qs[i] >> 4;
    }
}

/// Digit `place` of a five-digit number in base 3, as 7 … 9.
static uint8_t trit(uint8_t byte, int place) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    return (uint8_t)(7 + ((uint16_t)(uint8_t)(byte * powers[place]) * 3 >> 8));
}

static void read_ternary(const tq1_0 *b, int part, uint8_t *codes) {
    if (part < 5) {
        for (int i = 0; i < 32; i++) codes[i] = trit(b->qs[i], part);
        return;
    }
    for (int i = 0; i < 32; i++) {
        const int at = (part - 5) * 32 + i;
        codes[i] = at < 80 ? trit(b->qs[32 + at % 16], at / 16) : trit(b->qh[(at - 80) % 4], (at - 80) / 4);
    }
}

/// 2^(e - 128), half of what the exponent says, because the levels are doubled.
static float half_power(uint8_t e) { return bits_to_float(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23); }

void read_index_block(martlet_type type, const void *row, size_t block, block_values *out) {
    float scale = 0;
    if (type == MARTLET_IQ4_NL) {
        const iq4_nl *b = (const iq4_nl *)row + block;
        scale = half_to_float(b->d);
        nibbles(b->qs, out->codes);
    } else if (type == MARTLET_MXFP4) {
        const mxfp4 *b = (const mxfp4 *)row + block;
        scale = half_power(b->e);
        nibbles(b->qs, out->codes);
    } else {
        const iq4_xs *b = (const iq4_xs *)row + block / 8;
        const int part = (int)(block % 8);
        const int low = b->scales_low[part / 2] >> (4 * (part % 2)) & 15;
        const int high = word16(b->scales_high) >> (2 * part) & 3;
        scale = half_to_float(b->d) * (float)((low | high << 4) - 32);
        nibbles(b->qs + 16 * part, out->codes);
    }
    out->minimum[0] = out->minimum[1] = 0;
    out->scale[0] = out->scale[1] = scale;
}

void read_table_block(martlet_type type, const void *row, size_t block, block_values *out) {
    const size_t super = block / 8;
    const int part = (int)(block % 8);
    float scale = 0;
    out->minimum[0] = out->minimum[1] = 0;
    switch (type) {
    case MARTLET_IQ4_NL: case MARTLET_IQ4_XS: case MARTLET_MXFP4: {
        const uint8_t *table = type == MARTLET_MXFP4 ? martlet_fp4_codes : martlet_iq4_codes;
        read_index_block(type, row, block, out);
        for (int i = 0; i < 32; i++) out->codes[i] = table[out->codes[i]];
        return;
    }
    case MARTLET_TQ1_0: {
        const tq1_0 *b = (const tq1_0 *)row + super;
        scale = half_to_float(word16(b->d));
        read_ternary(b, part, out->codes);
        break;
    }
    case MARTLET_TQ2_0: {
        const tq2_0 *b = (const tq2_0 *)row + super;
        scale = half_to_float(word16(b->d));
        const uint8_t *qs = b->qs + 32 * (part / 4);
        for (int i = 0; i < 32; i++) out->codes[i] = (uint8_t)(7 + (qs[i] >> (2 * (part % 4)) & 3));
        break;
    }
    case MARTLET_IQ2_XXS: {
        const iq2_xxs *b = (const iq2_xxs *)row + super;
        const uint32_t rest = word32(b->qs + 8 * part + 4);
        scale = half_to_float(b->d) * (0.5f + (float)(rest >> 28)) * 0.25f;
        for (int l = 0; l < 4; l++) {
            eight(iq2_xxs_points[b->qs[8 * part + l]], even_signs(rest >> (7 * l)), out->codes + 8 * l);
        }
        break;
    }
    case MARTLET_IQ2_XS: {
        const iq2_xs *b = (const iq2_xs *)row + super;
        for (int l = 0; l < 4; l++) {
            const uint16_t word = word16(b->qs + 8 * part + 2 * l);
            eight(iq2_xs_points[word & 511], even_signs(word >> 9), out->codes + 8 * l);
        }
        for (int h = 0; h < 2; h++) {
            out->scale[h] = half_to_float(b->d) * (0.5f + (float)(b->scales[part] >> (4 * h) & 15)) * 0.25f;
        }
        return;
    }
    case MARTLET_IQ2_S: {
        const iq2_s *b = (const iq2_s *)row + super;
        for (int l = 0; l < 4; l++) {
            const unsigned index = b->qs[4 * part + l] | (unsigned)(b->qh[part] >> (2 * l) & 3) << 8;
            eight(iq2_s_points[index], b->signs[4 * part + l], out->codes + 8 * l);
        }
        for (int h = 0; h < 2; h++) {
            out->scale[h] = half_to_float(b->d) * (0.5f + (float)(b->scales[part] >> (4 * h) & 15)) * 0.25f;
        }
        return;
    }
    case MARTLET_IQ3_XXS: {
        const iq3_xxs *b = (const iq3_xxs *)row + super;
        const uint32_t rest = word32(b->signs + 4 * part);
        scale = half_to_float(b->d) * (0.5f + (float)(rest >> 28)) * 0.5f;
        for (int l = 0; l < 8; l++) {
            const uint8_t signs = (uint8_t)(even_signs(rest >> (7 * (l / 2))) >> (4 * (l % 2)));
            four(iq3_xxs_points[b->qs[8 * part + l]], true, signs, out->codes + 4 * l);
        }
        break;
    }
    case MARTLET_IQ3_S: {
        const iq3_s *b = (const iq3_s *)row + super;
        scale = half_to_float(b->d) * (float)(1 + 2 * (b->scales[part / 2] >> (4 * (part % 2)) & 15));
        for (int l = 0; l < 8; l++) {
            const unsigned index = b->qs[8 * part + l] | (unsigned)(b->qh[part] >> l & 1) << 8;
            const uint8_t signs = (uint8_t)(b->signs[4 * part + l / 2] >> (4 * (l % 2)));
            four(iq3_s_points[index], false, signs, out->codes + 4 * l);
        }
        break;
    }
    case MARTLET_IQ1_S: {
        const iq1_s *b = (const iq1_s *)row + super;
        const uint16_t word = word16(b->qh + 2 * part);
        scale = half_to_float(b->d) * (float)(2 * (word >> 12 & 7) + 1) * 0.125f;
        for (int l = 0; l < 4; l++) {
            eighths(b->qs[4 * part + l] | (unsigned)(word >> (3 * l) & 7) << 8, word >> 15, out->codes + 8 * l);
        }
        break;
    }
    case MARTLET_IQ1_M: {
        const iq1_m *b = (const iq1_m *)row + super;
        unsigned d = 0;
        for (int i = 0; i < 4; i++) d |= (unsigned)(word16(b->scales + 2 * i) >> 12) << (4 * i);
        const unsigned scales = word16(b->scales + 2 * (part / 2)) >> (6 * (part % 2));
        for (int h = 0; h < 2; h++) {
            out->scale[h] = half_to_float((uint16_t)d) * (float)(2 * (scales >> (3 * h) & 7) + 1) * 0.125f;
        }
        for (int l = 0; l < 4; l++) {
            const unsigned high = b->qh[2 * part + l / 2] >> (4 * (l % 2));
            eighths(b->qs[4 * part + l] | (high & 7) << 8, high >> 3 & 1, out->codes + 8 * l);
        }
        return;
    }
    default: memset(out->codes, 0, 32); break;
    }
    out->scale[0] = out->scale[1] = scale;
}
