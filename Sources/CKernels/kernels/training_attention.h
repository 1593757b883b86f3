// Rows of attention in training: the softmax of a masked row of scores, and its gradient.

static void zero_outside(float *s, ptrdiff_t low, ptrdiff_t high, ptrdiff_t count) {
    if (low > 0) memset(s, 0, (size_t)low * sizeof *s);
    if (high < count) memset(s + high, 0, (size_t)(count - high) * sizeof *s);
}

static float attention_softmax_f32(float *s, ptrdiff_t low, ptrdiff_t high, ptrdiff_t count, float scale,
                                   float soft_cap, const unsigned char *seen) {
    zero_outside(s, low, high, count);
    float *x = s + low;
    const ptrdiff_t width = high - low;
    if (width <= 0) return -INFINITY;
    if (soft_cap != 0) {
        f32x16 cap = splat(soft_cap), factor = splat(scale / soft_cap);
        for (ptrdiff_t i = 0; i < width; i += LANES) {
            store_up_to(x + i, cap * tanh16(load_up_to(x + i, width - i) * factor), width - i);
        }
        scale = 1;
    }
    if (seen) {
        // After the cap, which would make a finite score of the infinity.
        const float unseen = scale < 0 ? INFINITY : -INFINITY;
        for (ptrdiff_t i = 0; i < width; i++) {
            if (!seen[low + i]) x[i] = unseen;
            else if (scale == 0) x[i] = 0;
        }
        // Zero times infinity is no number; zero times a seen score has been written already.
        if (scale == 0) scale = 1;
    }
    const float shift = shift_of(x, scale, width);
    f32x16 f = splat(scale), m = splat(shift), total = 0;
    for (ptrdiff_t i = 0; i < width; i += LANES) {
        ptrdiff_t n = width - i;
        f32x16 e = exp_nonpositive(load_up_to(x + i, n) * f - m);
        if (n < LANES) e = choose(lane_numbers() < (int)n, e, splat(0.0f));
        total += e;
        store_up_to(x + i, e, n);
    }
    const float sum = sum_lanes(total);
    multiply_scalar_f32(x, 1.0f / sum, x, width);
    return shift + log_of(sum);
}

static void attention_probabilities_f32(float *s, float *p, float log_sum, ptrdiff_t low, ptrdiff_t high,
                                        ptrdiff_t count, float scale, float soft_cap) {
    zero_outside(p, low, high, count);
    f32x16 f = splat(scale), l = splat(log_sum);
    for (ptrdiff_t i = low; i < high; i += LANES) {
        ptrdiff_t n = high - i;
        f32x16 x = load_up_to(s + i, n) * f, slope = f;
        if (soft_cap != 0) {
            f32x16 t = tanh16(x / splat(soft_cap));
            x = t * splat(soft_cap);
            slope = f * (splat(1.0f) - t * t);
        }
        store_up_to(p + i, exp_nonpositive(x - l), n);
        store_up_to(s + i, slope, n);
    }
}

static void attention_score_gradient_f32(const float *p, float *dp, const float *slope, float delta, ptrdiff_t low,
                                         ptrdiff_t high, ptrdiff_t count) {
    zero_outside(dp, low, high, count);
    f32x16 d = splat(delta);
    for (ptrdiff_t i = low; i < high; i += LANES) {
        ptrdiff_t n = high - i;
        store_up_to(dp + i, load_up_to(p + i, n) * (load_up_to(dp + i, n) - d) * load_up_to(slope + i, n), n);
    }
}

static void fill_training_attention(martlet_training_kernels *table) {
    table->dot = dot_f32;
    table->attention_softmax = attention_softmax_f32;
    table->attention_probabilities = attention_probabilities_f32;
    table->attention_score_gradient = attention_score_gradient_f32;
}
