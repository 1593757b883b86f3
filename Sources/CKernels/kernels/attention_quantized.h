// Caches of quantised keys and values: a page's codes of one head become floats in a buffer that the second-level cache
// keeps, and are used as those of a float32 cache. A query's result is the same bits whatever other queries are in the
// call, as there.
//
// The numbers of a run of a token's head share a scale of half precision (martlet_cache_run), so a token's keys and values
// do not depend on other tokens. With n = 32 * (dimension / 32) numbers a head, a page of one head is
//
//     keys    codes [dimension][PAGE], of Q8 lowest bits [dimension / 2][PAGE / 8], then scales [dimension / run][PAGE]
//     values  codes [PAGE][dimension], then scales [PAGE][dimension / run]
//
// A head is turned by a Walsh-Hadamard transform before it is quantised, so that one large number is spread over all and
// the scales follow from all of them (Ashkboos et al. 2024, QuaRot). The transform is orthogonal and its own inverse:
// queries are turned as keys are, which leaves their products, and outputs are turned back.
//
// Q8: a code of values is an int8, value = scale * code, scale = largest magnitude / 127. A code of keys has nine bits,
// -255 ... 255, scale = largest magnitude / 255, of which two neighbouring numbers share the lowest: both are even or both
// odd, whichever is nearer. These points are a square lattice turned by 45 degrees, whose error is that of 8.5 bits. The
// upper eight bits are an int8, and bit j % 8 of byte j / 8 is the lowest of key j. Q4: codes 0 ... 15 less eight, the
// scale is the number of the largest magnitude / -8, and a byte holds the codes of numbers i (low) and i + 16 (high) of a
// run: keys [dimension / 32][16][PAGE], values [PAGE][dimension / 32][16]. Offsets and strides are bytes.

/// Numbers that share a scale with four bits.
#define RUN 32
#define KV_SCRATCH (MARTLET_LARGEST_HEAD_DIMENSION * PAGE)

INLINE f32x16 codes_to_floats(i8x16 codes) { return __builtin_convertvector(__builtin_convertvector(codes, i32x16), f32x16); }
INLINE i8x16 load_i8(const int8_t *p) {
    i8x16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE float half_at(const uint8_t *p) {
    u16x16 h = 0;
    memcpy(&h, p, sizeof(uint16_t));
    return widen_half(h)[0];
}

/// H x / sqrt(span) for every span of the numbers of a head, span being the largest power of two that divides them.
static void turn_head(float *x, ptrdiff_t count) {
    ptrdiff_t span = count & -count;
    float factor = 1.0f / sqrtf((float)span);
    for (ptrdiff_t first = 0; first < count; first += span) {
        float *part = x + first;
        for (ptrdiff_t step = 1; step < span; step *= 2) {
            for (ptrdiff_t block = 0; block < span; block += 2 * step) {
                for (ptrdiff_t i = block; i < block + step; i++) {
                    float a = part[i], b = part[i + step];
                    part[i] = a + b;
                    part[i + step] = a - b;
                }
            }
        }
        for (ptrdiff_t i = 0; i < span; i++) part[i] *= factor;
    }
}

/// The bytes of a page's codes, after which its scales stand.
INLINE ptrdiff_t kv_code_bytes(bool four, bool keys, ptrdiff_t dimension) {
    return dimension * PAGE * (four ? 8 : keys ? 17 : 16) / 16;
}

/// The lowest bits of keys j ..< j + 16 of two neighbouring numbers.
INLINE i32x16 lowest_bits(const uint8_t *lowest, ptrdiff_t pair, ptrdiff_t j) {
    uint16_t word;
    memcpy(&word, lowest + (pair * PAGE + j) / 8, sizeof word);
    return ((i32x16)(int32_t)word >> lane_numbers()) & 1;
}

/// Keys low ..< high of a page, [dimension][PAGE]; low and high are multiples of 16.
INLINE void widen_keys(const bool four, const uint8_t *page, ptrdiff_t dimension, ptrdiff_t low, ptrdiff_t high,
                       float *out) {
    const ptrdiff_t length = martlet_cache_run(four ? 4 : 8, dimension);
    const uint8_t *scales = page + kv_code_bytes(four, true, dimension), *lowest = page + dimension * PAGE;
    for (ptrdiff_t run = 0; run < dimension / length; run++) {
        for (ptrdiff_t j = low; j < high; j += LANES) {
            f32x16 scale = widen_half(load_u16((const uint16_t *)(scales + (run * PAGE + j) * 2)));
            float *to = out + run * length * PAGE + j;
            if (four) {
                for (ptrdiff_t i = 0; i < RUN / 2; i++) {
                    u8x16 both;
                    memcpy(&both, page + (run * RUN / 2 + i) * PAGE + j, sizeof both);
                    store(to + i * PAGE, codes_to_floats((i8x16)(both & 15) - 8) * scale);
                    store(to + (i + RUN / 2) * PAGE, codes_to_floats((i8x16)(both >> 4) - 8) * scale);
                }
            } else {
                for (ptrdiff_t i = 0; i < length; i += 2) {
                    const ptrdiff_t row = run * length + i;
                    const i32x16 shared = lowest_bits(lowest, row / 2, j);
                    for (ptrdiff_t k = 0; k < 2; k++) {
                        i8x16 upper = load_i8((const int8_t *)page + (row + k) * PAGE + j);
                        i32x16 codes = __builtin_convertvector(upper, i32x16) * 2 + shared;
                        store(to + (i + k) * PAGE, __builtin_convertvector(codes, f32x16) * scale);
                    }
                }
            }
        }
    }
}

/// Values of tokens low ..< high of a page, [PAGE][dimension].
INLINE void widen_values(const bool four, const uint8_t *page, ptrdiff_t dimension, ptrdiff_t low, ptrdiff_t high,
                         float *out) {
    const ptrdiff_t length = martlet_cache_run(four ? 4 : 8, dimension), runs = dimension / length;
    const uint8_t *scales = page + kv_code_bytes(four, false, dimension);
    for (ptrdiff_t token = low; token < high; token++) {
        for (ptrdiff_t run = 0; run < runs; run++) {
            f32x16 scale = splat(half_at(scales + (token * runs + run) * 2));
            float *to = out + token * dimension + run * length;
            if (four) {
                u8x16 both;
                memcpy(&both, page + (token * runs + run) * (RUN / 2), sizeof both);
                store(to, codes_to_floats((i8x16)(both & 15) - 8) * scale);
                store(to + LANES, codes_to_floats((i8x16)(both >> 4) - 8) * scale);
            } else {
                const int8_t *codes = (const int8_t *)page + token * dimension + run * length;
                for (ptrdiff_t i = 0; i < length; i += LANES) {
                    store(to + i, codes_to_floats(load_i8(codes + i)) * scale);
                }
            }
        }
    }
}

INLINE void attend_quantized(const bool four, const martlet_attention_arguments *g, ptrdiff_t kv_head,
                             ptrdiff_t row_begin, ptrdiff_t row_end) {
    attention_tile tile, *t = &tile;
    _Alignas(64) float page_floats[KV_SCRATCH];
    for (ptrdiff_t begin = row_begin; begin < row_end; begin += TILE_ROWS) {
        tile_begin(t, g, kv_head, begin, row_end - begin < TILE_ROWS ? row_end - begin : TILE_ROWS);
        for (ptrdiff_t r = 0; r < t->rows; r++) turn_head(t->q + r * TILE_STRIDE, g->head_dimension);
        ptrdiff_t first = t->first[0], end = t->end[0];
        for (ptrdiff_t r = 1; r < t->rows; r++) {
            if (t->first[r] < first) first = t->first[r];
            if (t->end[r] > end) end = t->end[r];
        }
        for (ptrdiff_t page = first / PAGE; page * PAGE < end; page++) {
            ptrdiff_t start = page * PAGE;
            const uint8_t *keys = (const uint8_t *)g->key_pages[page] + g->key_offset + kv_head * g->key_head_stride;
            const uint8_t *values =
                (const uint8_t *)g->value_pages[page] + g->value_offset + kv_head * g->value_head_stride;
            ptrdiff_t low = clamped(first - start, 0, PAGE) / LANES * LANES;
            ptrdiff_t high = (clamped(end - start, 0, PAGE) + LANES - 1) / LANES * LANES;
            widen_keys(four, keys, g->head_dimension, low, high, page_floats);
            product_f32(t->rows, t->q, page_floats + low, PAGE, g->head_dimension, NULL, t->p + low, high - low,
                        page_floats);
            tile_scores(t, g, start);
            tile_weights(t, start);
            widen_values(four, values, g->value_dimension, clamped(first - start, 0, PAGE), clamped(end - start, 0, PAGE),
                         page_floats);
            for (ptrdiff_t r = 0; r < t->rows; r += STRIP_ROWS) {
                ptrdiff_t rows = t->rows - r < STRIP_ROWS ? t->rows - r : STRIP_ROWS;
                tile_values_f32(t, r, rows, page_floats, g->value_dimension, start, page_floats);
            }
        }
        for (ptrdiff_t r = 0; r < t->rows; r++) turn_head(t->out + r * TILE_STRIDE, g->value_dimension);
        tile_end(t, g, kv_head, begin);
    }
}

static void attend_q8(const martlet_attention_arguments *g, ptrdiff_t kv_head, ptrdiff_t begin, ptrdiff_t end) {
    attend_quantized(false, g, kv_head, begin, end);
}
static void attend_q4(const martlet_attention_arguments *g, ptrdiff_t kv_head, ptrdiff_t begin, ptrdiff_t end) {
    attend_quantized(true, g, kv_head, begin, end);
}

/// A number as a code: the nearest whole number within bounds; of NaN and infinity the scale says what they were.
INLINE float bounded(float x, float least, float most) {
    float code = rintf(x);
    code = code >= least ? code : least;
    return code <= most ? code : most;
}

/// Two neighbouring numbers of a key as codes that are both even or both odd.
INLINE void pair_codes(float a, float b, int16_t *codes) {
    float x[2] = {a, b}, code[2][2], miss[2] = {0, 0};
    for (int odd = 0; odd < 2; odd++) {
        for (int i = 0; i < 2; i++) {
            code[odd][i] = 2 * bounded((x[i] - (float)odd) / 2, odd ? -128 : -127, 127) + (float)odd;
            // A statement for each operation: none may become a fused one in some instruction sets only.
            float distance = x[i] - code[odd][i];
            float square = distance * distance;
            miss[odd] += square;
        }
    }
    for (int i = 0; i < 2; i++) codes[i] = (int16_t)code[miss[1] < miss[0]][i];
}

/// The scale of a run and its codes: -top ... top, in pairs where top is 255, or 0 ... 15 where it is 8.
INLINE uint16_t quantize_run(const float top, const ptrdiff_t length, const float *x, int16_t *codes) {
    const bool four = top == 8;
    float most = 0, extreme = 0;
    for (ptrdiff_t i = 0; i < length; i++) {
        float size = fabsf(x[i]);
        if (size > most) {
            most = size;
            extreme = x[i];
        }
        // A number that is none is not hidden: the whole run becomes none.
        if (size != size) most = extreme = NAN;
    }
    uint16_t half = narrow_half(splat(four ? extreme / -8 : most / top))[0];
    float scale = half_at((const uint8_t *)&half), inverse = scale != 0 ? 1 / scale : 0;
    if (top == 255) {
        for (ptrdiff_t i = 0; i < length; i += 2) pair_codes(x[i] * inverse, x[i + 1] * inverse, codes + i);
        return half;
    }
    for (ptrdiff_t i = 0; i < length; i++) {
        codes[i] = (int16_t)((int)bounded(x[i] * inverse, -top, four ? 7 : top) + (four ? 8 : 0));
    }
    return half;
}

/// Writes the code of a key: its upper bits, and the lowest, which it shares with its neighbour.
INLINE void put_key(uint8_t *page, uint8_t *lowest, ptrdiff_t row, ptrdiff_t slot, int16_t code) {
    uint8_t *byte = lowest + (row / 2 * PAGE + slot) / 8, bit = (uint8_t)(1u << (slot % 8));
    page[row * PAGE + slot] = (uint8_t)(code >> 1);
    *byte = (uint8_t)(code & 1 ? *byte | bit : *byte & ~bit);
}

INLINE void append_quantized(const bool four, const martlet_append_arguments *g, ptrdiff_t head_begin,
                             ptrdiff_t head_end) {
    for (ptrdiff_t token = 0; token < g->tokens; token++) {
        ptrdiff_t page = (g->first_position + token) / PAGE, slot = (g->first_position + token) % PAGE;
        for (ptrdiff_t head = head_begin; head < head_end; head++) {
            for (int part = 0; part < 2; part++) {
                ptrdiff_t dimension = part ? g->value_dimension : g->head_dimension;
                ptrdiff_t length = martlet_cache_run(four ? 4 : 8, dimension), runs = dimension / length;
                const float *x = part ? g->values + token * g->value_stride + head * dimension
                                      : g->keys + token * g->key_stride + head * dimension;
                uint8_t *to = part ? (uint8_t *)g->value_pages[page] + g->value_offset + head * g->value_head_stride
                                   : (uint8_t *)g->key_pages[page] + g->key_offset + head * g->key_head_stride;
                uint8_t *scales = to + kv_code_bytes(four, !part, dimension), *lowest = to + dimension * PAGE;
                float turned[MARTLET_LARGEST_HEAD_DIMENSION];
                memcpy(turned, x, (size_t)dimension * sizeof *x);
                turn_head(turned, dimension);
                for (ptrdiff_t run = 0; run < runs; run++) {
                    int16_t codes[64];
                    uint16_t scale = quantize_run(four ? 8 : part ? 127 : 255, length, turned + run * length, codes);
                    memcpy(scales + (part ? slot * runs + run : run * PAGE + slot) * 2, &scale, sizeof scale);
                    for (ptrdiff_t i = 0; i < (four ? RUN / 2 : length); i++) {
                        uint8_t byte = four ? (uint8_t)(codes[i] | codes[i + RUN / 2] << 4) : (uint8_t)codes[i];
                        ptrdiff_t row = run * (four ? RUN / 2 : length) + i;
                        if (part) to[slot * (four ? dimension / 2 : dimension) + row] = byte;
                        else if (four) to[row * PAGE + slot] = byte;
                        else put_key(to, lowest, row, slot, codes[i]);
                    }
                }
            }
        }
    }
}

static void append_q8(const martlet_append_arguments *g, ptrdiff_t head_begin, ptrdiff_t head_end) {
    append_quantized(false, g, head_begin, head_end);
}
static void append_q4(const martlet_append_arguments *g, ptrdiff_t head_begin, ptrdiff_t head_end) {
    append_quantized(true, g, head_begin, head_end);
}
