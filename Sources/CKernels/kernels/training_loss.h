// Cross-entropy of a row of logits and its gradient, in place.

static float cross_entropy_f32(float *z, ptrdiff_t target, float smoothing, float z_loss, float scale, bool gradient,
                               ptrdiff_t count) {
    const float shift = largest_f32(z, count);
    if (!gradient) {
        return shift + log_of(sum_of_exponentials(z, 1, shift, count));
    }
    f32x16 m = splat(shift);
    f32x16 s0 = 0, s1 = 0;
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        f32x16 a = exp_nonpositive(load(z + i) - m), b = exp_nonpositive(load(z + i + LANES) - m);
        store(z + i, a);
        store(z + i + LANES, b);
        s0 += a;
        s1 += b;
    }
    for (; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 a = exp_nonpositive(load_up_to(z + i, n) - m);
        if (n < LANES) a = choose(lane_numbers() < (int)n, a, splat(0.0f));
        store_up_to(z + i, a, n);
        s0 += a;
    }
    const float sum = sum_lanes(s0 + s1), log_partition = shift + log_of(sum);
    f32x16 factor = splat(scale * (1.0f + 2.0f * z_loss * log_partition) / sum);
    f32x16 less = splat(scale * smoothing / (float)count);
    for (i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        store_up_to(z + i, fma16(load_up_to(z + i, n), factor, -less), n);
    }
    z[target] -= scale * (1.0f - smoothing);
    return log_partition;
}

static void fill_training_loss(martlet_training_kernels *table) { table->cross_entropy = cross_entropy_f32; }
