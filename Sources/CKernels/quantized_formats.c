// The stored block formats: sizes, conversion to float32, and packing into panels. Layouts follow GGML's.
#include "include/martlet_quantized.h"

#include "half.h"
#include "quantized_blocks.h"

#include <string.h>

size_t martlet_type_block(martlet_type type) {
    switch (type) {
    case MARTLET_F32: case MARTLET_F16: case MARTLET_BF16: return 1;
    case MARTLET_Q4_0: case MARTLET_Q4_1: case MARTLET_Q5_0: case MARTLET_Q5_1: case MARTLET_Q8_0:
    case MARTLET_IQ4_NL: case MARTLET_MXFP4: return 32;
    default: return 256;
    }
}

size_t martlet_type_block_bytes(martlet_type type) {
    switch (type) {
    case MARTLET_F32: return 4;
    case MARTLET_F16: case MARTLET_BF16: return 2;
    case MARTLET_Q4_0: return sizeof(q4_0);
    case MARTLET_Q4_1: return sizeof(q4_1);
    case MARTLET_Q5_0: return sizeof(q5_0);
    case MARTLET_Q5_1: return sizeof(q5_1);
    case MARTLET_Q8_0: return sizeof(q8_0);
    case MARTLET_Q2_K: return sizeof(q2_K);
    case MARTLET_Q3_K: return sizeof(q3_K);
    case MARTLET_Q4_K: return sizeof(q4_K);
    case MARTLET_Q5_K: return sizeof(q5_K);
    case MARTLET_Q6_K: return sizeof(q6_K);
    case MARTLET_IQ1_S: return sizeof(iq1_s);
    case MARTLET_IQ1_M: return sizeof(iq1_m);
    case MARTLET_IQ2_XXS: return sizeof(iq2_xxs);
    case MARTLET_IQ2_XS: return sizeof(iq2_xs);
    case MARTLET_IQ2_S: return sizeof(iq2_s);
    case MARTLET_IQ3_XXS: return sizeof(iq3_xxs);
    case MARTLET_IQ3_S: return sizeof(iq3_s);
    case MARTLET_IQ4_NL: return sizeof(iq4_nl);
    case MARTLET_IQ4_XS: return sizeof(iq4_xs);
    case MARTLET_TQ1_0: return sizeof(tq1_0);
    case MARTLET_TQ2_0: return sizeof(tq2_0);
    case MARTLET_MXFP4: return sizeof(mxfp4);
    }
    return 0;
}

bool martlet_packing_of(martlet_type type, bool exact, martlet_packing *packing) {
    martlet_packing p = {.parts = 1, .float_type = MARTLET_F32};
    switch (type) {
    case MARTLET_F32: break;
    case MARTLET_F16: case MARTLET_BF16: p.float_type = type; break;
    case MARTLET_Q4_0: p.bits = 4; p.offset = 8; break;
    case MARTLET_Q4_1: case MARTLET_Q4_K: p.bits = 4; p.has_minimum = true; break;
    case MARTLET_Q5_0: p.bits = 5; p.offset = 16; break;
    case MARTLET_Q5_1: case MARTLET_Q5_K: p.bits = 5; p.has_minimum = true; break;
    case MARTLET_Q8_0: p.bits = 8; p.offset = 128; break;
    case MARTLET_Q2_K: p.bits = 4; p.parts = 2; p.has_minimum = true; break;
    case MARTLET_Q3_K: p.bits = 4; p.parts = 2; p.offset = 4; break;
    case MARTLET_Q6_K: p.bits = 6; p.parts = 2; p.offset = 32; break;
    case MARTLET_TQ1_0: case MARTLET_TQ2_0: p.bits = 4; p.offset = 8; break;
    // Codes that are indices of a table are packed as the table's numbers, one byte each.
    case MARTLET_IQ1_S: case MARTLET_IQ2_XXS: case MARTLET_IQ3_XXS: case MARTLET_IQ3_S:
        p.bits = 8;
        p.offset = 128;
        break;
    case MARTLET_IQ1_M: case MARTLET_IQ2_XS: case MARTLET_IQ2_S: p.bits = 8; p.parts = 2; p.offset = 128; break;
    // Tables of 16 numbers are looked up in the product.
    case MARTLET_IQ4_NL: case MARTLET_IQ4_XS: p.bits = 4; p.table = MARTLET_TABLE_IQ4; p.offset = 128; break;
    case MARTLET_MXFP4: p.bits = 4; p.table = MARTLET_TABLE_FP4; p.offset = 16; break;
    default: return false;
    }
    if (exact) p = (martlet_packing){.parts = 1, .float_type = MARTLET_F32};
    if (p.bits == 0) {
        p.block_bytes = MARTLET_PANEL * martlet_type_block_bytes(p.float_type);
    } else {
        const size_t codes = p.bits == 8 ? 512 : p.bits == 6 ? 384 : p.bits == 5 ? 320 : 256;
        p.block_bytes = codes + header_bytes(&p);
    }
    *packing = p;
    return true;
}

martlet_packing martlet_zeros_packing(int bits) {
    martlet_packing p = {.bits = bits, .parts = 1, .has_zeros = true, .float_type = MARTLET_F32};
    p.block_bytes = (bits == 8 ? 512 : 256) + header_bytes(&p);
    return p;
}

size_t martlet_panel_bytes(const martlet_packing *packing, size_t columns) {
    return packing->block_bytes * (packing->bits ? columns / MARTLET_BLOCK : columns);
}

size_t martlet_multiply_scratch(size_t columns) { return columns * MARTLET_PANEL * 4 + 64; }

/// The 6-bit scales and minima of Q4_K and Q5_K: 12 bytes for eight scales and eight minima.
static void scale_and_minimum(const uint8_t *s, int index, uint8_t *scale, uint8_t *minimum) {
    if (index < 4) {
        *scale = s[index] & 63;
        *minimum = s[index + 4] & 63;
    } else {
        *scale = (uint8_t)((s[index + 4] & 15) | (s[index - 4] >> 6) << 4);
        *minimum = (uint8_t)((s[index + 4] >> 4) | (s[index] >> 6) << 4);
    }
}

/// The 6-bit scales of Q3_K, biased by 32.
static int q3_scale(const uint8_t *s, int index) {
    const int low = index < 8 ? s[index] & 15 : s[index - 8] >> 4;
    const int high = s[8 + index % 4] >> (2 * (index / 4)) & 3;
    return (low | high << 4) - 32;
}

static void read_block(martlet_type type, const void *row, size_t block, block_values *out) {
    const size_t super = block / 8;
    const int part = (int)(block % 8);
    float scale = 0, minimum = 0;
    switch (type) {
    case MARTLET_Q4_0: {
        const q4_0 *b = (const q4_0 *)row + block;
        scale = half_to_float(b->d);
        for (int i = 0; i < 16; i++) {
            out->codes[i] = b->qs[i] & 15;
            out->codes[i + 16] = b->qs[i] >> 4;
        }
        break;
    }
    case MARTLET_Q4_1: {
        const q4_1 *b = (const q4_1 *)row + block;
        scale = half_to_float(b->d);
        minimum = half_to_float(b->m);
        for (int i = 0; i < 16; i++) {
            out->codes[i] = b->qs[i] & 15;
            out->codes[i + 16] = b->qs[i] >> 4;
        }
        break;
    }
    case MARTLET_Q5_0:
    case MARTLET_Q5_1: {
        const uint8_t *qh, *qs;
        if (type == MARTLET_Q5_0) {
            const q5_0 *b = (const q5_0 *)row + block;
            scale = half_to_float(b->d);
            qh = b->qh;
            qs = b->qs;
        } else {
            const q5_1 *b = (const q5_1 *)row + block;
            scale = half_to_float(b->d);
            minimum = half_to_float(b->m);
            qh = b->qh;
            qs = b->qs;
        }
        uint32_t high;
        memcpy(&high, qh, 4);
        for (int i = 0; i < 16; i++) {
            out->codes[i] = (uint8_t)((qs[i] & 15) | (high >> i & 1) << 4);
            out->codes[i + 16] = (uint8_t)(qs[i] >> 4 | (high >> (i + 16) & 1) << 4);
        }
        break;
    }
    case MARTLET_Q8_0: {
        const q8_0 *b = (const q8_0 *)row + block;
        scale = half_to_float(b->d);
        for (int i = 0; i < 32; i++) out->codes[i] = (uint8_t)(b->qs[i] + 128);
        break;
    }
    case MARTLET_Q2_K: {
        const q2_K *b = (const q2_K *)row + super;
        const uint8_t *qs = b->qs + 32 * (part / 4);
        const int shift = 2 * (part % 4);
        for (int i = 0; i < 32; i++) out->codes[i] = qs[i] >> shift & 3;
        for (int h = 0; h < 2; h++) {
            const uint8_t s = b->scales[2 * part + h];
            out->scale[h] = half_to_float(b->d) * (float)(s & 15);
            out->minimum[h] = -half_to_float(b->dmin) * (float)(s >> 4);
        }
        return;
    }
    case MARTLET_Q3_K: {
        const q3_K *b = (const q3_K *)row + super;
        const uint8_t *qs = b->qs + 32 * (part / 4);
        const int shift = 2 * (part % 4);
        for (int i = 0; i < 32; i++) {
            out->codes[i] = (uint8_t)((qs[i] >> shift & 3) | (b->hmask[i] >> part & 1) << 2);
        }
        for (int h = 0; h < 2; h++) {
            out->scale[h] = half_to_float(b->d) * (float)q3_scale(b->scales, 2 * part + h);
            out->minimum[h] = 0;
        }
        return;
    }
    case MARTLET_Q4_K:
    case MARTLET_Q5_K: {
        const uint8_t *scales, *qs, *qh = NULL;
        float d, dmin;
        if (type == MARTLET_Q4_K) {
            const q4_K *b = (const q4_K *)row + super;
            scales = b->scales, qs = b->qs, d = half_to_float(b->d), dmin = half_to_float(b->dmin);
        } else {
            const q5_K *b = (const q5_K *)row + super;
            scales = b->scales, qs = b->qs, qh = b->qh, d = half_to_float(b->d), dmin = half_to_float(b->dmin);
        }
        uint8_t s, m;
        scale_and_minimum(scales, part, &s, &m);
        scale = d * (float)s;
        minimum = -dmin * (float)m;
        qs += 32 * (part / 2);
        const int shift = 4 * (part % 2);
        for (int i = 0; i < 32; i++) out->codes[i] = qs[i] >> shift & 15;
        if (qh) {
            for (int i = 0; i < 32; i++) out->codes[i] |= (uint8_t)((qh[i] >> part & 1) << 4);
        }
        break;
    }
    case MARTLET_Q6_K: {
        const q6_K *b = (const q6_K *)row + super;
        const int half = part / 4, quarter = part % 4;
        const uint8_t *ql = b->ql + 64 * half + 32 * (quarter % 2), *qh = b->qh + 32 * half;
        for (int i = 0; i < 32; i++) {
            const int low = quarter < 2 ? ql[i] & 15 : ql[i] >> 4;
            out->codes[i] = (uint8_t)(low | (qh[i] >> (2 * quarter) & 3) << 4);
        }
        for (int h = 0; h < 2; h++) {
            out->scale[h] = half_to_float(b->d) * (float)b->scales[2 * part + h];
            out->minimum[h] = 0;
        }
        return;
    }
    default: read_table_block(type, row, block, out); return;
    }
    out->scale[0] = out->scale[1] = scale;
    out->minimum[0] = out->minimum[1] = minimum;
}

void martlet_dequantize(martlet_type type, const void *source, size_t count, float *target) {
    switch (type) {
    case MARTLET_F32: memcpy(target, source, count * 4); return;
    case MARTLET_F16: {
        const uint16_t *s = source;
        for (size_t i = 0; i < count; i++) target[i] = half_to_float(s[i]);
        return;
    }
    case MARTLET_BF16: {
        const uint16_t *s = source;
        for (size_t i = 0; i < count; i++) target[i] = bfloat_to_float(s[i]);
        return;
    }
    default: break;
    }
    martlet_packing packing;
    if (!martlet_packing_of(type, false, &packing)) return;
    for (size_t block = 0; block < count / 32; block++) {
        block_values b;
        read_block(type, source, block, &b);
        for (int i = 0; i < 32; i++) {
            target[block * 32 + (size_t)i] =
                b.scale[i / 16] * (float)((int)b.codes[i] - packing.offset) + b.minimum[i / 16];
        }
    }
}

static void pack_codes(int bits, const uint8_t *codes, size_t row, uint8_t *target) {
    if (bits == 8) {
        for (int g = 0; g < 8; g++) memcpy(target + g * 64 + row * 4, codes + g * 4, 4);
        return;
    }
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) {
            target[(size_t)j * 64 + row * 4 + (size_t)i] =
                (uint8_t)((codes[4 * j + i] & 15) | (codes[16 + 4 * j + i] & 15) << 4);
        }
    }
    target += 256;
    if (bits == 5) {
        for (int g = 0; g < 8; g++) {
            uint64_t word;
            memcpy(&word, target + g * 8, 8);
            for (int i = 0; i < 4; i++) word |= (uint64_t)(codes[4 * g + i] >> 4) << (4 * row + (size_t)i);
            memcpy(target + g * 8, &word, 8);
        }
    } else if (bits == 6) {
        for (int h = 0; h < 2; h++) {
            for (int i = 0; i < 4; i++) {
                uint8_t byte = 0;
                for (int g = 0; g < 4; g++) byte |= (uint8_t)((codes[16 * h + 4 * g + i] >> 4) << (2 * g));
                target[(size_t)h * 64 + row * 4 + (size_t)i] = byte;
            }
        }
    }
}

static void pack_float_panel(martlet_type type, const martlet_packing *packing, const uint8_t *source,
                             size_t row_bytes, size_t rows, size_t columns, void *panel, float *scratch) {
    for (size_t r = 0; r < MARTLET_PANEL; r++) {
        if (packing->float_type == MARTLET_F32) {
            float *target = panel;
            if (r < rows) martlet_dequantize(type, source + r * row_bytes, columns, scratch);
            for (size_t k = 0; k < columns; k++) target[k * MARTLET_PANEL + r] = r < rows ? scratch[k] : 0;
        } else {
            uint16_t *target = panel;
            const uint16_t *row = (const uint16_t *)(source + r * row_bytes);
            for (size_t k = 0; k < columns; k++) target[k * MARTLET_PANEL + r] = r < rows ? row[k] : 0;
        }
    }
}

void martlet_pack_panel(martlet_type type, const martlet_packing *packing, const void *source, size_t row_bytes,
                        size_t rows, size_t columns, void *panel, float *scratch) {
    if (packing->bits == 0) {
        pack_float_panel(type, packing, source, row_bytes, rows, columns, panel, scratch);
        return;
    }
    memset(panel, 0, martlet_panel_bytes(packing, columns));
    const size_t header = header_bytes(packing);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *row = (const uint8_t *)source + r * row_bytes;
        uint8_t *block = panel;
        for (size_t b = 0; b < columns / MARTLET_BLOCK; b++, block += packing->block_bytes) {
            uint16_t *scales = (uint16_t *)block;
            // The nibbles of these formats are already in the order of the panel: copy four bytes at a time.
            if (type == MARTLET_Q4_0 || type == MARTLET_Q4_1) {
                const uint8_t *stored = row + b * martlet_type_block_bytes(type);
                memcpy(scales + r, stored, 2);
                if (packing->has_minimum) memcpy(scales + 16 + r, stored + 2, 2);
                const uint8_t *codes = stored + (packing->has_minimum ? 4 : 2);
                for (int j = 0; j < 4; j++) memcpy(block + header + j * 64 + r * 4, codes + j * 4, 4);
                continue;
            }
            block_values values;
            if (packing->table) read_index_block(type, row, b, &values);
            else read_block(type, row, b, &values);
            for (int h = 0; h < packing->parts; h++) {
                scales[h * 16 + (int)r] = float_to_half(values.scale[h]);
                if (packing->has_minimum) scales[(packing->parts + h) * 16 + (int)r] = float_to_half(values.minimum[h]);
            }
            pack_codes(packing->bits, values.codes, r, block + header);
        }
    }
}

void martlet_pack_zeros_panel(const martlet_packing *packing, const uint8_t *codes, const uint16_t *scales,
                              const uint8_t *zeros, size_t rows, size_t columns, void *panel) {
    const size_t blocks = columns / MARTLET_BLOCK, header = header_bytes(packing);
    memset(panel, 0, martlet_panel_bytes(packing, columns));
    for (size_t r = 0; r < rows; r++) {
        uint8_t *block = panel;
        for (size_t b = 0; b < blocks; b++, block += packing->block_bytes) {
            memcpy(block + 2 * r, scales + r * blocks + b, 2);
            block[2 * MARTLET_PANEL + r] = zeros[r * blocks + b];
            pack_codes(packing->bits, codes + r * columns + b * MARTLET_BLOCK, r, block + header);
        }
    }
}
