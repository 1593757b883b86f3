// Gradients of the norms. See martlet_training.h for the formulas.

INLINE f32x16 load_up_to(const float *p, ptrdiff_t n) { return n >= LANES ? load(p) : load_part(p, n); }
INLINE void store_up_to(float *p, f32x16 v, ptrdiff_t n) {
    if (n >= LANES) store(p, v);
    else store_part(p, v, n);
}

static void rms_norm_gradient_f32(const float *x, const float *dy, const float *weight, float offset, float epsilon,
                                  float *dx, bool accumulate, float *dweight, ptrdiff_t rows, ptrdiff_t count) {
    f32x16 o = splat(offset);
    for (ptrdiff_t row = 0; row < rows; row++, x += count, dy += count, dx += count) {
        float r = 1.0f / __builtin_sqrtf(dot_f32(x, x, count) / (float)count + epsilon);
#define GRADIENT(i) (weight ? load(dy + (i)) * (load(weight + (i)) + o) : load(dy + (i)))
#define GRADIENT_PART(i, n) \
    (weight ? load_part(dy + (i), n) * (load_part(weight + (i), n) + o) : load_part(dy + (i), n))
#define WHOLE(s, i) fma16(GRADIENT(i), load(x + (i)), s)
#define PART(s, i, n) fma16(GRADIENT_PART(i, n), load_part(x + (i), n), s)
        SUM64(product, count, WHOLE, PART);
#undef WHOLE
#undef PART
        f32x16 factor = splat(r), slope = splat(-r * r * r * (product / (float)count));
        for (ptrdiff_t i = 0; i < count; i += LANES) {
            ptrdiff_t n = count - i;
            f32x16 v = load_up_to(x + i, n), d = load_up_to(dy + i, n);
            f32x16 g = weight ? d * (load_up_to(weight + i, n) + o) : d;
            f32x16 result = fma16(slope, v, factor * g);
            if (accumulate) result += load_up_to(dx + i, n);
            store_up_to(dx + i, result, n);
            if (dweight) store_up_to(dweight + i, fma16(d, v * factor, load_up_to(dweight + i, n)), n);
        }
#undef GRADIENT
#undef GRADIENT_PART
    }
}

static void layer_norm_gradient_f32(const float *x, const float *dy, const float *weight, float epsilon, float *dx,
                                    bool accumulate, float *dweight, float *dbias, ptrdiff_t rows, ptrdiff_t count) {
    for (ptrdiff_t row = 0; row < rows; row++, x += count, dy += count, dx += count) {
        float mean = sum_f32(x, count) / (float)count;
        float r = 1.0f / __builtin_sqrtf(sum_of_squares_around(x, mean, count) / (float)count + epsilon);
        f32x16 m = splat(mean), factor = splat(r), sum = 0, product = 0;
        for (ptrdiff_t i = 0; i < count; i += LANES) {
            ptrdiff_t n = count - i;
            f32x16 d = load_up_to(dy + i, n);
            f32x16 g = weight ? d * load_up_to(weight + i, n) : d;
            // Lanes beyond the end have g = 0.
            sum += g;
            product = fma16(g, (load_up_to(x + i, n) - m) * factor, product);
        }
        f32x16 mean_g = splat(sum_lanes(sum) / (float)count), mean_gz = splat(sum_lanes(product) / (float)count);
        for (ptrdiff_t i = 0; i < count; i += LANES) {
            ptrdiff_t n = count - i;
            f32x16 d = load_up_to(dy + i, n), z = (load_up_to(x + i, n) - m) * factor;
            f32x16 g = weight ? d * load_up_to(weight + i, n) : d;
            f32x16 result = factor * (fma16(-z, mean_gz, g) - mean_g);
            if (accumulate) result += load_up_to(dx + i, n);
            store_up_to(dx + i, result, n);
            if (dweight) store_up_to(dweight + i, fma16(d, z, load_up_to(dweight + i, n)), n);
            if (dbias) store_up_to(dbias + i, load_up_to(dbias + i, n) + d, n);
        }
    }
}

static void fill_training_norm(martlet_training_kernels *table) {
    table->rms_norm_gradient = rms_norm_gradient_f32;
    table->layer_norm_gradient = layer_norm_gradient_f32;
}
