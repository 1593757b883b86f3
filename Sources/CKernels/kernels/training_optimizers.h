// Optimiser steps, each in one pass over memory. The formulas are in martlet_training.h.

/// The gradient after scaling and coupled weight decay.
INLINE f32x16 gradient16(const float *g, f32x16 w, const martlet_optimizer_step *step, ptrdiff_t n) {
    return fma16(splat(step->coupled_decay), w, load_up_to(g, n) * splat(step->gradient_scale));
}

INLINE f32x16 kept16(const martlet_optimizer_step *step) {
    return splat(1.0f - step->learning_rate * step->weight_decay);
}

static void adamw_f32(float *w, const float *g, float *m, float *v, const martlet_optimizer_step *step,
                      ptrdiff_t count) {
    const f32x16 b1 = splat(step->beta1), b2 = splat(step->beta2), c1 = splat(1.0f - step->beta1),
                 c2 = splat(1.0f - step->beta2), epsilon = splat(step->epsilon), keep = kept16(step);
    const f32x16 rate = splat(step->learning_rate / step->correction1);
    const f32x16 root = splat(1.0f / __builtin_sqrtf(step->correction2));
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 weight = load_up_to(w + i, n), gradient = gradient16(g + i, weight, step, n);
        f32x16 first = fma16(b1, load_up_to(m + i, n), c1 * gradient);
        f32x16 second = fma16(b2, load_up_to(v + i, n), c2 * gradient * gradient);
        f32x16 update = rate * first / fma16(__builtin_elementwise_sqrt(second), root, epsilon);
        store_up_to(m + i, first, n);
        store_up_to(v + i, second, n);
        store_up_to(w + i, fma16(weight, keep, -update), n);
    }
}

static void sgd_f32(float *w, const float *g, float *m, const martlet_optimizer_step *step, ptrdiff_t count) {
    const f32x16 b1 = splat(step->beta1), rate = splat(-step->learning_rate), keep = kept16(step);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 weight = load_up_to(w + i, n), update = gradient16(g + i, weight, step, n);
        if (m) {
            f32x16 momentum = fma16(b1, load_up_to(m + i, n), update);
            store_up_to(m + i, momentum, n);
            update = step->nesterov ? fma16(b1, momentum, update) : momentum;
        }
        store_up_to(w + i, fma16(rate, update, weight * keep), n);
    }
}

static void rmsprop_f32(float *w, const float *g, float *v, float *m, const martlet_optimizer_step *step,
                        ptrdiff_t count) {
    const f32x16 b1 = splat(step->beta1), b2 = splat(step->beta2), c2 = splat(1.0f - step->beta2),
                 epsilon = splat(step->epsilon), rate = splat(-step->learning_rate), keep = kept16(step);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 weight = load_up_to(w + i, n), gradient = gradient16(g + i, weight, step, n);
        f32x16 second = fma16(b2, load_up_to(v + i, n), c2 * gradient * gradient);
        store_up_to(v + i, second, n);
        f32x16 update = gradient / (__builtin_elementwise_sqrt(second) + epsilon);
        if (m) {
            update = fma16(b1, load_up_to(m + i, n), update);
            store_up_to(m + i, update, n);
        }
        store_up_to(w + i, fma16(rate, update, weight * keep), n);
    }
}

static void lion_f32(float *w, const float *g, float *m, const martlet_optimizer_step *step, ptrdiff_t count) {
    const f32x16 b1 = splat(step->beta1), b2 = splat(step->beta2), c1 = splat(1.0f - step->beta1),
                 c2 = splat(1.0f - step->beta2), rate = splat(-step->learning_rate), keep = kept16(step);
    const f32x16 one = splat(1.0f), zero = splat(0.0f);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 weight = load_up_to(w + i, n), gradient = gradient16(g + i, weight, step, n);
        f32x16 momentum = load_up_to(m + i, n);
        f32x16 direction = fma16(b1, momentum, c1 * gradient);
        f32x16 sign = choose(direction > zero, one, choose(direction < zero, -one, zero));
        store_up_to(m + i, fma16(b2, momentum, c2 * gradient), n);
        store_up_to(w + i, fma16(rate, sign, weight * keep), n);
    }
}

static void momentum_f32(const float *g, float *m, float *u, const martlet_optimizer_step *step, ptrdiff_t count) {
    const f32x16 b1 = splat(step->beta1), c1 = splat(1.0f - step->beta1), scale = splat(step->gradient_scale);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 gradient = load_up_to(g + i, n) * scale;
        f32x16 momentum = fma16(b1, load_up_to(m + i, n), c1 * gradient);
        store_up_to(m + i, momentum, n);
        store_up_to(u + i, step->nesterov ? fma16(b1, momentum, c1 * gradient) : momentum, n);
    }
}

static void move_toward_f32(float *a, const float *b, float weight, ptrdiff_t count) {
    const f32x16 share = splat(weight);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 old = load_up_to(a + i, n);
        store_up_to(a + i, fma16(share, load_up_to(b + i, n) - old, old), n);
    }
}

static void move_toward_square_f32(float *a, const float *g, float scale, float weight, ptrdiff_t count) {
    const f32x16 share = splat(weight), factor = splat(scale);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 old = load_up_to(a + i, n), gradient = load_up_to(g + i, n) * factor;
        store_up_to(a + i, fma16(share, fma16(gradient, gradient, -old), old), n);
    }
}

static float add_squares_f32(const float *g, float scale, float *columns, ptrdiff_t count) {
    const f32x16 factor = splat(scale);
    f32x16 total = 0;
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 gradient = load_up_to(g + i, n) * factor, square = gradient * gradient;
        store_up_to(columns + i, load_up_to(columns + i, n) + square, n);
        total += square;
    }
    return sum_lanes(total);
}

INLINE f32x16 factored16(const float *g, const float *columns, f32x16 scale, f32x16 row, f32x16 floor, ptrdiff_t n) {
    f32x16 estimate = larger(row * load_up_to(columns, n), floor);
    return load_up_to(g, n) * scale / __builtin_elementwise_sqrt(estimate);
}

static float factored_norm_f32(const float *g, float scale, float row, const float *columns, float floor,
                               ptrdiff_t count) {
    f32x16 total = 0;
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        f32x16 update = factored16(g + i, columns + i, splat(scale), splat(row), splat(floor), count - i);
        total = fma16(update, update, total);
    }
    return sum_lanes(total);
}

static void factored_step_f32(float *w, const float *g, float scale, float row, const float *columns, float floor,
                              float keep, float rate, ptrdiff_t count) {
    const f32x16 kept = splat(keep), step = splat(-rate);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 update = factored16(g + i, columns + i, splat(scale), splat(row), splat(floor), n);
        store_up_to(w + i, fma16(step, update, load_up_to(w + i, n) * kept), n);
    }
}

static void fill_training_optimizers(martlet_training_kernels *table) {
    table->adamw = adamw_f32;
    table->sgd = sgd_f32;
    table->rmsprop = rmsprop_f32;
    table->lion = lion_f32;
    table->momentum = momentum_f32;
    table->move_toward = move_toward_f32;
    table->move_toward_square = move_toward_square_f32;
    table->add_squares = add_squares_f32;
    table->factored_norm = factored_norm_f32;
    table->factored_step = factored_step_f32;
}
