// Attention over pages of float32 with scores, weights and all sums in float64; only the queries, keys and values that it
// is given and its results are float32. One row at a time, pages in order, as in attention_rows.h.

/// Scores of one page, -infinity for keys that are not seen; the larger of their largest and `largest`.
static double wide_scores(const attention_tile *t, ptrdiff_t r, const martlet_attention_arguments *g, const float *keys,
                          ptrdiff_t start, ptrdiff_t low, ptrdiff_t high, double largest, double *p) {
    const float *q = t->q + r * TILE_STRIDE;
    for (ptrdiff_t j = 0; j < PAGE; j++) p[j] = 0;
    for (ptrdiff_t d = 0; d < g->head_dimension; d++) {
        const double x = q[d];
        const float *k = keys + d * PAGE;
        for (ptrdiff_t j = 0; j < PAGE; j++) p[j] += x * (double)k[j];
    }
    for (ptrdiff_t j = low; j < high; j++) {
        const ptrdiff_t distance = start + j - t->position[r];
        double s = p[j] * (double)g->scale;
        if (g->soft_cap != 0) s = g->soft_cap * tanh(s / g->soft_cap);
        if (g->alibi_slopes) s += (double)t->slope[r] * (double)distance;
        if (g->relative_bias) {
            s += t->bias[r][clamped(distance, -g->relative_span, g->relative_span) + g->relative_span];
        }
        if (t->seen[r] && !t->seen[r][start + j]) s = -INFINITY;
        p[j] = s;
        // A number that is none is not left out: it reaches the result.
        if (s > largest || s != s) largest = s;
    }
    return largest;
}

static void wide_row(const attention_tile *t, ptrdiff_t r, const martlet_attention_arguments *g, ptrdiff_t kv_head,
                     ptrdiff_t begin) {
    const ptrdiff_t token = (begin + r) / g->group, head = kv_head * g->group + (begin + r) % g->group;
    const ptrdiff_t size = g->value_dimension;
    double out[MARTLET_LARGEST_HEAD_DIMENSION] = {0}, p[PAGE];
    double maximum = t->maximum[r], sum = t->sums[r][0];
    for (ptrdiff_t page = t->first[r] / PAGE; page * PAGE < t->end[r]; page++) {
        const ptrdiff_t start = page * PAGE;
        const ptrdiff_t low = clamped(t->first[r] - start, 0, PAGE), high = clamped(t->end[r] - start, 0, PAGE);
        const float *keys = (const float *)g->key_pages[page] + g->key_offset + kv_head * g->key_head_stride;
        const double largest = wide_scores(t, r, g, keys, start, low, high, maximum, p);
        if (largest == -INFINITY) continue;
        if (largest > maximum) {
            const double factor = exp(maximum - largest);
            for (ptrdiff_t d = 0; d < size; d++) out[d] *= factor;
            sum *= factor;
            maximum = largest;
        }
        for (ptrdiff_t j = low; j < high; j++) sum += p[j] = exp(p[j] - maximum);
        if (!g->value_pages) {
            for (ptrdiff_t d = 0; d < size; d++) {
                for (ptrdiff_t j = low; j < high; j++) out[d] += p[j] * (double)keys[d * PAGE + j];
            }
            continue;
        }
        const float *values = (const float *)g->value_pages[page] + g->value_offset + kv_head * g->value_head_stride;
        for (ptrdiff_t j = low; j < high; j++) {
            for (ptrdiff_t d = 0; d < size; d++) out[d] += p[j] * (double)values[j * size + d];
        }
    }
    if (g->log_sums) g->log_sums[head * g->log_sum_stride + token] = (float)(sum == 0 ? -INFINITY : maximum + log(sum));
    float *target = g->output + token * g->output_stride + head * size;
    for (ptrdiff_t d = 0; d < size; d++) target[d] = (float)(sum == 0 ? 0 : out[d] / sum);
}

static void attend_wide(const martlet_attention_arguments *g, ptrdiff_t kv_head, ptrdiff_t row_begin,
                        ptrdiff_t row_end) {
    attention_tile tile;
    for (ptrdiff_t begin = row_begin; begin < row_end; begin += TILE_ROWS) {
        tile_begin(&tile, g, kv_head, begin, row_end - begin < TILE_ROWS ? row_end - begin : TILE_ROWS);
        for (ptrdiff_t r = 0; r < tile.rows; r++) wide_row(&tile, r, g, kv_head, begin);
    }
}
