// Softmax and log-softmax over rows. The row's maximum is subtracted before the exponential, so nothing overflows.

/// The maximum of scale * x: scale times x's largest or smallest element, by the sign of scale; rounding is monotonic.
static float shift_of(const float *x, float scale, ptrdiff_t count) {
    return scale < 0 ? scale * smallest_f32(x, count) : scale * largest_f32(x, count);
}

/// sum(exp(scale * x - shift))
static float sum_of_exponentials(const float *x, float scale, float shift, ptrdiff_t count) {
    f32x16 s = splat(scale), m = splat(shift);
#define WHOLE(sum, i) (sum + exp_nonpositive(load(x + (i)) * s - m))
#define PART(sum, i, n) \
    (sum + choose(lane_numbers() < (int)(n), exp_nonpositive(load_part(x + (i), n) * s - m), splat(0.0f)))
    SUM64(total, count, WHOLE, PART);
#undef WHOLE
#undef PART
    return total;
}

static void softmax_f32(const float *x, ptrdiff_t x_stride, float scale, float *out, ptrdiff_t out_stride,
                        ptrdiff_t rows, ptrdiff_t count) {
    f32x16 s = splat(scale);
    for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
        f32x16 m = splat(shift_of(x, scale, count));
        ptrdiff_t i = 0;
        for (; i + LANES <= count; i += LANES) store(out + i, exp_nonpositive(load(x + i) * s - m));
        if (i < count) {
            store_part(out + i, exp_nonpositive(load_part(x + i, count - i) * s - m), count - i);
        }
        multiply_scalar_f32(out, 1.0f / sum_f32(out, count), out, count);
    }
}

INLINE float log_of(float x) { return log16(splat(x))[0]; }

static void log_softmax_f32(const float *x, ptrdiff_t x_stride, float scale, float *out, ptrdiff_t out_stride,
                            ptrdiff_t rows, ptrdiff_t count) {
    f32x16 s = splat(scale);
    for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
        float shift = shift_of(x, scale, count);
        f32x16 m = splat(shift), l = splat(log_of(sum_of_exponentials(x, scale, shift, count)));
        ptrdiff_t i = 0;
        for (; i + LANES <= count; i += LANES) store(out + i, load(x + i) * s - m - l);
        if (i < count) store_part(out + i, load_part(x + i, count - i) * s - m - l, count - i);
    }
}

static void log_sum_exp_f32(const float *x, ptrdiff_t x_stride, float scale, float *out, ptrdiff_t rows,
                            ptrdiff_t count) {
    for (ptrdiff_t r = 0; r < rows; r++, x += x_stride) {
        float shift = shift_of(x, scale, count);
        bool infinite = shift == INFINITY || shift == -INFINITY;
        out[r] = infinite ? shift : shift + log_of(sum_of_exponentials(x, scale, shift, count));
    }
}

static void fill_softmax(martlet_vector_kernels *table) {
    table->softmax = softmax_f32;
    table->log_softmax = log_softmax_f32;
    table->log_sum_exp = log_sum_exp_f32;
}
