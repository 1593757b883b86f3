// Online softmax over pages, and writing keys and values to pages. Included once per cache type: ELEMENT, NAMED.

#ifndef ATTENTION_TILE_FUNCTIONS
#define ATTENTION_TILE_FUNCTIONS

INLINE ptrdiff_t clamped(ptrdiff_t x, ptrdiff_t low, ptrdiff_t high) { return x < low ? low : x > high ? high : x; }

/// Loads rows `begin` ..< `begin + rows` of a key/value head and computes which keys they see.
static void tile_begin(attention_tile *t, const martlet_attention_arguments *g, ptrdiff_t kv_head, ptrdiff_t begin,
                       ptrdiff_t rows) {
    t->rows = rows;
    for (ptrdiff_t r = 0; r < rows; r++) {
        ptrdiff_t token = (begin + r) / g->group, head = kv_head * g->group + (begin + r) % g->group;
        ptrdiff_t p = g->first_position + token;
        memcpy(t->q + r * TILE_STRIDE, g->queries + token * g->query_stride + head * g->head_dimension,
               (size_t)g->head_dimension * sizeof(float));
        memset(t->out + r * TILE_STRIDE, 0, (size_t)(g->value_dimension + LANES) * sizeof(float));
        memset(t->sums[r], 0, sizeof t->sums[r]);
        t->maximum[r] = g->sinks ? g->sinks[head] : -INFINITY;
        if (g->sinks) t->sums[r][0] = 1;
        t->slope[r] = g->alibi_slopes ? g->alibi_slopes[head] : 0;
        t->bias[r] = g->relative_bias ? g->relative_bias + head * (2 * g->relative_span + 1) : NULL;
        t->position[r] = p;
        t->first[r] = p > g->keys_before ? p - g->keys_before : 0;
        t->end[r] = g->keys_after < g->key_count - 1 - p ? p + g->keys_after + 1 : g->key_count;
        if (p < g->prefix) {
            t->first[r] = 0;
            t->end[r] = g->prefix < g->key_count ? g->prefix : g->key_count;
        }
        if (t->end[r] < t->first[r]) t->end[r] = t->first[r];
        t->seen[r] = g->seen ? g->seen + token * g->seen_stride : NULL;
        if (t->seen[r]) {
            // From the first key to the last that is seen: the maximum is finite from the first page on.
            while (t->first[r] < t->end[r] && !t->seen[r][t->first[r]]) t->first[r]++;
            while (t->first[r] < t->end[r] && !t->seen[r][t->end[r] - 1]) t->end[r]--;
        }
    }
    for (ptrdiff_t r = rows; r < 2 * LANES; r++) t->maximum[r] = 0;
}

/// Converts the products in p to scores (-infinity for keys not seen) and updates maximum and correction.
static void tile_scores(attention_tile *t, const martlet_attention_arguments *g, ptrdiff_t page_start) {
    _Alignas(64) float largest[2 * LANES];
    f32x16 scale = splat(g->scale), cap = splat(g->soft_cap);
    memcpy(largest, t->maximum, sizeof largest);
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        ptrdiff_t first = clamped(t->first[r] - page_start, 0, PAGE), end = clamped(t->end[r] - page_start, 0, PAGE);
        if (first >= end) continue;
        float *p = t->p + r * TILE_STRIDE;
        f32x16 m = splat(-INFINITY);
        for (ptrdiff_t j = first / LANES * LANES; j < end; j += LANES) {
            f32x16 s = load(p + j) * scale;
            if (g->soft_cap != 0) s = cap * tanh16(s / cap);
            i32x16 key = lane_numbers() + (int)j;
            if (g->alibi_slopes) {
                i32x16 distance = key + (int)(page_start - t->position[r]);
                s = fma16(splat(t->slope[r]), __builtin_convertvector(distance, f32x16), s);
            }
            if (g->relative_bias) {
                _Alignas(64) float bias[LANES];
                for (int i = 0; i < LANES; i++) {
                    ptrdiff_t distance = page_start + j + i - t->position[r];
                    bias[i] = t->bias[r][clamped(distance, -g->relative_span, g->relative_span) + g->relative_span];
                }
                s += load(bias);
            }
            if (j < first || j + LANES > end) {
                s = choose((key >= (int)first) & (key < (int)end), s, splat(-INFINITY));
            }
            if (t->seen[r]) {
                for (int lane = 0; lane < LANES; lane++) {
                    ptrdiff_t place = j + lane;
                    if (place >= first && place < end && !t->seen[r][page_start + place]) s[lane] = -INFINITY;
                }
            }
            store(p + j, s);
            m = larger(s, m);
        }
        float page_largest = largest_lane(m);
        if (page_largest > largest[r]) largest[r] = page_largest;
    }
    for (int i = 0; i < 2 * LANES; i += LANES) {
        f32x16 old = load(t->maximum + i), new = load(largest + i);
        // If the old and new maxima are equal, also if both are -infinity, the sums stay as they are.
        store(t->correction + i, choose(old == new, splat(1.0f), exp_nonpositive(old - new)));
        store(t->maximum + i, new);
    }
}

/// Converts the scores in p to weights exp(s - maximum) and sums them.
static void tile_weights(attention_tile *t, ptrdiff_t page_start) {
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        ptrdiff_t first = clamped(t->first[r] - page_start, 0, PAGE), end = clamped(t->end[r] - page_start, 0, PAGE);
        float *p = t->p + r * TILE_STRIDE;
        f32x16 m = splat(t->maximum[r]), sum = load(t->sums[r]) * splat(t->correction[r]);
        for (ptrdiff_t j = first / LANES * LANES; j < end; j += LANES) {
            f32x16 w = exp_nonpositive(load(p + j) - m);
            store(p + j, w);
            sum += w;
        }
        store(t->sums[r], sum);
    }
}

static void tile_end(const attention_tile *t, const martlet_attention_arguments *g, ptrdiff_t kv_head,
                     ptrdiff_t begin) {
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        ptrdiff_t token = (begin + r) / g->group, head = kv_head * g->group + (begin + r) % g->group;
        float *out = g->output + token * g->output_stride + head * g->value_dimension;
        float total = sum_lanes(load(t->sums[r]));
        if (g->log_sums) {
            g->log_sums[head * g->log_sum_stride + token] =
                total == 0 ? -INFINITY : t->maximum[r] + log16(splat(total))[0];
        }
        f32x16 factor = splat(total == 0 ? 0.0f : 1.0f / total);
        ptrdiff_t i = 0;
        for (; i + LANES <= g->value_dimension; i += LANES) {
            store(out + i, load(t->out + r * TILE_STRIDE + i) * factor);
        }
        if (i < g->value_dimension) store_part(out + i, load(t->out + r * TILE_STRIDE + i) * factor, 8);
    }
}
#endif

/// out = out * correction + weights * values for rows begin ..< begin + rows. Keys that all of these rows see are
/// computed in one product; the other keys of a row before and after them separately, because a key that a row does not
/// see must not affect its result (0 * infinity is NaN).
static void NAMED(tile_values)(attention_tile *t, ptrdiff_t begin, ptrdiff_t rows, const ELEMENT *values,
                               ptrdiff_t dimension, ptrdiff_t page_start, const ELEMENT *ahead) {
    ptrdiff_t first[STRIP_ROWS], end[STRIP_ROWS], common_first = 0, common_end = PAGE;
    float *p = t->p + begin * TILE_STRIDE, *out = t->out + begin * TILE_STRIDE, *correction = t->correction + begin;
    for (ptrdiff_t r = 0; r < rows; r++) {
        first[r] = clamped(t->first[begin + r] - page_start, 0, PAGE);
        end[r] = clamped(t->end[begin + r] - page_start, first[r], PAGE);
        if (first[r] > common_first) common_first = first[r];
        if (end[r] < common_end) common_end = end[r];
    }
    bool together = common_first < common_end;
    for (ptrdiff_t r = 0; r < rows; r++) {
        ptrdiff_t stop = together ? common_first : end[r];
        if (first[r] >= stop) continue;
        NAMED(product)(1, p + r * TILE_STRIDE + first[r], values + first[r] * dimension, dimension, stop - first[r],
                       correction + r, out + r * TILE_STRIDE, dimension, values);
        correction[r] = 1;
    }
    if (!together) return;
    NAMED(product)(rows, p + common_first, values + common_first * dimension, dimension, common_end - common_first,
                   correction, out, dimension, ahead);
    const float one = 1;
    for (ptrdiff_t r = 0; r < rows; r++) {
        if (end[r] <= common_end) continue;
        NAMED(product)(1, p + r * TILE_STRIDE + common_end, values + common_end * dimension, dimension,
                       end[r] - common_end, &one, out + r * TILE_STRIDE, dimension, values);
    }
}

/// Values [PAGE][values] that are the first numbers of the keys low ..< high of a page, [dimension][PAGE]; low and high are
/// multiples of 16.
static void NAMED(values_of_keys)(const ELEMENT *keys, ptrdiff_t values, ptrdiff_t low, ptrdiff_t high, ELEMENT *out) {
    for (ptrdiff_t d = 0; d < values; d += LANES) {
        ptrdiff_t width = values - d < LANES ? values - d : LANES;
        for (ptrdiff_t j = low; j < high; j += LANES) {
            f32x16 rows[LANES];
            for (ptrdiff_t i = 0; i < LANES; i++) {
                rows[i] = i < width ? NAMED(load_elements)(keys + (d + i) * PAGE + j) : splat(0);
            }
            transpose16(rows);
            if (width == LANES) {
                for (ptrdiff_t i = 0; i < LANES; i++) NAMED(store_elements)(out + (j + i) * values + d, rows[i]);
                continue;
            }
            for (ptrdiff_t i = 0; i < LANES; i++) {
                for (ptrdiff_t k = 0; k < width; k++) out[(j + i) * values + d + k] = NAMED(narrowed)(rows[i][k]);
            }
        }
    }
}

static void NAMED(attend)(const martlet_attention_arguments *g, ptrdiff_t kv_head, ptrdiff_t row_begin,
                          ptrdiff_t row_end) {
    attention_tile tile, *t = &tile;
    _Alignas(64) ELEMENT shared_values[MARTLET_LARGEST_HEAD_DIMENSION * PAGE];
    ptrdiff_t dimension = g->head_dimension;
    for (ptrdiff_t begin = row_begin; begin < row_end; begin += TILE_ROWS) {
        tile_begin(t, g, kv_head, begin, row_end - begin < TILE_ROWS ? row_end - begin : TILE_ROWS);
        ptrdiff_t first = t->first[0], end = t->end[0];
        for (ptrdiff_t r = 1; r < t->rows; r++) {
            if (t->first[r] < first) first = t->first[r];
            if (t->end[r] > end) end = t->end[r];
        }
        for (ptrdiff_t page = first / PAGE; page * PAGE < end; page++) {
            ptrdiff_t start = page * PAGE;
            const ELEMENT *keys = (const ELEMENT *)g->key_pages[page] + g->key_offset + kv_head * g->key_head_stride;
            // Whole vectors of keys of which at least one row sees one.
            ptrdiff_t low = clamped(first - start, 0, PAGE) / LANES * LANES;
            ptrdiff_t high = (clamped(end - start, 0, PAGE) + LANES - 1) / LANES * LANES;
            const ELEMENT *values = shared_values;
            if (g->value_pages) {
                values = (const ELEMENT *)g->value_pages[page] + g->value_offset + kv_head * g->value_head_stride;
            } else {
                NAMED(values_of_keys)(keys, g->value_dimension, low, high, shared_values);
            }
            NAMED(product)(t->rows, t->q, keys + low, PAGE, dimension, NULL, t->p + low, high - low,
                           values);
            tile_scores(t, g, start);
            tile_weights(t, start);
            const ELEMENT *next = keys;
            if ((page + 1) * PAGE < end) {
                next = (const ELEMENT *)g->key_pages[page + 1] + g->key_offset + kv_head * g->key_head_stride;
            }
            for (ptrdiff_t r = 0; r < t->rows; r += STRIP_ROWS) {
                ptrdiff_t rows = t->rows - r < STRIP_ROWS ? t->rows - r : STRIP_ROWS;
                NAMED(tile_values)(t, r, rows, values, g->value_dimension, start, next);
            }
        }
        tile_end(t, g, kv_head, begin);
    }
}

/// Writes keys of up to 16 tokens (rows `stride` apart) to consecutive slots of one page, dimension by dimension, so
/// that each cache line of the page is written once.
static void NAMED(append_keys)(const float *k, ptrdiff_t stride, ptrdiff_t tokens, ELEMENT *slots,
                               ptrdiff_t dimension) {
    if (tokens < LANES) {
        for (ptrdiff_t d = 0; d < dimension; d++) {
            for (ptrdiff_t t = 0; t < tokens; t++) slots[d * PAGE + t] = NAMED(narrowed)(k[t * stride + d]);
        }
        return;
    }
    for (ptrdiff_t d = 0; d < dimension; d += 8) {
        f32x16 rows[LANES];
        for (int t = 0; t < LANES; t++) {
            rows[t] = d + LANES <= dimension ? load(k + t * stride + d) : load_part(k + t * stride + d, 8);
        }
        transpose16(rows);
        for (int i = 0; i < 8; i++) NAMED(store_elements)(slots + (d + i) * PAGE, rows[i]);
        if (d + LANES > dimension) break;
        for (int i = 8; i < LANES; i++) NAMED(store_elements)(slots + (d + i) * PAGE, rows[i]);
        d += 8;
    }
}

static void NAMED(append)(const martlet_append_arguments *g, ptrdiff_t head_begin, ptrdiff_t head_end) {
    ptrdiff_t dimension = g->head_dimension, wide = g->value_dimension;
    for (ptrdiff_t token = 0; token < g->tokens;) {
        ptrdiff_t page = (g->first_position + token) / PAGE, slot = (g->first_position + token) % PAGE;
        ptrdiff_t count = g->tokens - token < PAGE - slot ? g->tokens - token : PAGE - slot;
        if (count > LANES) count = LANES;
        for (ptrdiff_t head = head_begin; head < head_end; head++) {
            ELEMENT *keys = (ELEMENT *)g->key_pages[page] + g->key_offset + head * g->key_head_stride + slot;
            const float *k = g->keys + token * g->key_stride + head * dimension;
            NAMED(append_keys)(k, g->key_stride, count, keys, dimension);
            if (!g->value_pages) continue;
            ELEMENT *values = (ELEMENT *)g->value_pages[page] + g->value_offset + head * g->value_head_stride +
                              slot * wide;
            const float *v = g->values + token * g->value_stride + head * wide;
            for (ptrdiff_t t = 0; t < count; t++, v += g->value_stride, values += wide) {
                ptrdiff_t d = 0;
                for (; d + LANES <= wide; d += LANES) NAMED(store_elements)(values + d, load(v + d));
                for (; d < wide; d++) values[d] = NAMED(narrowed)(v[d]);
            }
        }
        token += count;
    }
}
