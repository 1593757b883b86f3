// Root-mean-square and layer normalisation.

INLINE f32x16 scaled_by(f32x16 x, f32x16 factor, f32x16 weight) { return (x * factor) * weight; }

static void rms_scale(const float *x, const float *weight, float offset, float factor, float *out, ptrdiff_t count) {
    f32x16 f = splat(factor), o = splat(offset);
    ptrdiff_t i = 0;
    if (!weight) {
        for (; i + LANES <= count; i += LANES) store(out + i, load(x + i) * f);
        if (i < count) store_part(out + i, load_part(x + i, count - i) * f, count - i);
        return;
    }
    for (; i + LANES <= count; i += LANES) store(out + i, scaled_by(load(x + i), f, load(weight + i) + o));
    if (i < count) {
        f32x16 w = load_part(weight + i, count - i) + o;
        store_part(out + i, scaled_by(load_part(x + i, count - i), f, w), count - i);
    }
}

static void rms_norm_f32(const float *x, ptrdiff_t x_stride, const float *weight, float weight_offset, float epsilon,
                         float *out, ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count) {
    for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
        float mean = dot_f32(x, x, count) / (float)count;
        rms_scale(x, weight, weight_offset, 1.0f / __builtin_sqrtf(mean + epsilon), out, count);
    }
}

static void add_rms_norm_f32(const float *x, float *residual, const float *weight, float weight_offset, float epsilon,
                             float *out, ptrdiff_t rows, ptrdiff_t count) {
    for (ptrdiff_t r = 0; r < rows; r++, x += count, residual += count, out += count) {
        add_f32(residual, x, residual, count);
        rms_norm_f32(residual, count, weight, weight_offset, epsilon, out, count, 1, count);
    }
}

static void layer_norm_f32(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float epsilon,
                           float *out, ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count) {
    for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
        float mean = sum_f32(x, count) / (float)count;
        float variance = sum_of_squares_around(x, mean, count) / (float)count;
        f32x16 m = splat(mean), f = splat(1.0f / __builtin_sqrtf(variance + epsilon));
        for (ptrdiff_t i = 0; i < count; i += LANES) {
            ptrdiff_t n = count - i < LANES ? count - i : LANES;
            f32x16 v = (load_part_or_all(x + i, n) - m) * f;
            f32x16 w = weight ? load_part_or_all(weight + i, n) : splat(1.0f);
            f32x16 b = bias ? load_part_or_all(bias + i, n) : splat(0.0f);
            v = fma16(v, w, b);
            if (n == LANES) store(out + i, v);
            else store_part(out + i, v, n);
        }
    }
}

static void fill_norm(martlet_vector_kernels *table) {
    table->rms_norm = rms_norm_f32;
    table->add_rms_norm = add_rms_norm_f32;
    table->layer_norm = layer_norm_f32;
}
