// Causal convolution and the recurrences, token after token.

#define CONVOLUTION_WIDTH 64

static void convolution(const martlet_convolution *call) {
    const ptrdiff_t width = call->width, held = width - 1;
    for (ptrdiff_t i = 0; i < call->channels; i += LANES) {
        const ptrdiff_t n = call->channels - i < LANES ? call->channels - i : LANES;
        f32x16 weight[CONVOLUTION_WIDTH], window[CONVOLUTION_WIDTH];
        for (ptrdiff_t j = 0; j < width; j++) {
            f32x16 w = splat(0.0f);
            for (ptrdiff_t lane = 0; lane < n; lane++) w[lane] = call->weight[(i + lane) * width + j];
            weight[j] = w;
        }
        const f32x16 bias = call->bias ? load_some(call->bias + i, n) : splat(0.0f);
        for (ptrdiff_t j = 0; j < held; j++) window[j] = load_some(call->state + j * call->state_stride + i, n);
        for (ptrdiff_t t = 0; t < call->tokens; t++) {
            window[held] = load_some(call->x + t * call->x_stride + i, n);
            f32x16 sum = bias;
            for (ptrdiff_t j = 0; j < width; j++) sum = fma16(weight[j], window[j], sum);
            store_some(call->y + t * call->y_stride + i, sum, n);
            for (ptrdiff_t j = 0; j < held; j++) window[j] = window[j + 1];
        }
        for (ptrdiff_t j = 0; j < held; j++) store_some(call->state + j * call->state_stride + i, window[j], n);
    }
}

static void selective_scan(const martlet_recurrence *call) {
    const float *state = call->state;
    for (ptrdiff_t t = 0; t < call->tokens; t++) {
        float *next = (float *)state + call->keep;
        const float *b = call->b + t * call->b_stride, *c = call->c + t * call->c_stride;
        for (ptrdiff_t i = 0; i < call->lanes; i += LANES) {
            const ptrdiff_t n = call->lanes - i;
            const f32x16 x = load_some(call->x + t * call->x_stride + i, n);
            const f32x16 dt = load_some(call->step + t * call->step_stride + i, n);
            const f32x16 scaled = dt * x;
            f32x16 y = splat(0.0f);
            for (ptrdiff_t r = 0; r < call->rows; r++) {
                const f32x16 decay = exp16(dt * load_some(call->a + r * call->a_stride + i, n));
                const f32x16 before = load_some(state + r * call->state_stride + i, n);
                const f32x16 h = fma16(splat(b[r]), scaled, decay * before);
                store_some(next + r * call->state_stride + i, h, n);
                y = fma16(splat(c[r]), h, y);
            }
            if (call->d) y = fma16(load_some(call->d + i, n), x, y);
            if (call->y) store_some(call->y + t * call->y_stride + i, y, n);
        }
        state = next;
    }
}

/// Some lanes of one token: `groups` registers of them, whose chains of additions run side by side.
INLINE void state_space_lanes(const martlet_recurrence *call, ptrdiff_t t, ptrdiff_t i, const float *state, float *next,
                              float dt, float decay, int groups, ptrdiff_t n) {
    const float *b = call->b + t * call->b_stride, *c = call->c + t * call->c_stride;
    f32x16 x[4], scaled[4], y[4];
    for (int g = 0; g < groups; g++) {
        x[g] = load_some(call->x + t * call->x_stride + i + g * LANES, n - g * LANES);
        scaled[g] = x[g] * splat(dt);
        y[g] = splat(0.0f);
    }
    for (ptrdiff_t r = 0; r < call->rows; r++) {
        for (int g = 0; g < groups; g++) {
            const ptrdiff_t at = r * call->state_stride + i + g * LANES;
            const f32x16 h =
                fma16(splat(b[r]), scaled[g], splat(decay) * load_some(state + at, n - g * LANES));
            store_some(next + at, h, n - g * LANES);
            y[g] = fma16(splat(c[r]), h, y[g]);
        }
    }
    if (!call->y) return;
    for (int g = 0; g < groups; g++) {
        if (call->d) y[g] = fma16(splat(*call->d), x[g], y[g]);
        store_some(call->y + t * call->y_stride + i + g * LANES, y[g], n - g * LANES);
    }
}

static void state_space(const martlet_recurrence *call) {
    const float *state = call->state;
    for (ptrdiff_t t = 0; t < call->tokens; t++) {
        float *next = (float *)state + call->keep;
        const float dt = call->step[t * call->step_stride], decay = exp_one(dt * *call->a);
        ptrdiff_t i = 0;
        for (; i + 4 * LANES <= call->lanes; i += 4 * LANES) {
            state_space_lanes(call, t, i, state, next, dt, decay, 4, 4 * LANES);
        }
        for (; i < call->lanes; i += LANES) {
            state_space_lanes(call, t, i, state, next, dt, decay, 1, call->lanes - i);
        }
        state = next;
    }
}

INLINE void gated_delta_lanes(const martlet_recurrence *call, ptrdiff_t t, ptrdiff_t i, const float *state, float *next,
                              float decay, int groups, ptrdiff_t n) {
    const float *k = call->b + t * call->b_stride, *q = call->c + t * call->c_stride;
    const float beta = call->beta[t * call->beta_stride];
    f32x16 read[4], y[4];
    for (int g = 0; g < groups; g++) read[g] = y[g] = splat(0.0f);
    for (ptrdiff_t r = 0; r < call->rows; r++) {
        for (int g = 0; g < groups; g++) {
            const ptrdiff_t at = r * call->state_stride + i + g * LANES;
            read[g] = fma16(splat(k[r]), load_some(state + at, n - g * LANES), read[g]);
        }
    }
    for (int g = 0; g < groups; g++) {
        const f32x16 v = load_some(call->x + t * call->x_stride + i + g * LANES, n - g * LANES);
        // What is written: the part of the value that the state does not give for this key.
        read[g] = splat(beta) * (v - splat(decay) * read[g]);
    }
    for (ptrdiff_t r = 0; r < call->rows; r++) {
        for (int g = 0; g < groups; g++) {
            const ptrdiff_t at = r * call->state_stride + i + g * LANES;
            const f32x16 s = fma16(splat(k[r]), read[g], splat(decay) * load_some(state + at, n - g * LANES));
            store_some(next + at, s, n - g * LANES);
            y[g] = fma16(splat(q[r]), s, y[g]);
        }
    }
    if (!call->y) return;
    for (int g = 0; g < groups; g++) store_some(call->y + t * call->y_stride + i + g * LANES, y[g], n - g * LANES);
}

static void gated_delta(const martlet_recurrence *call) {
    const float *state = call->state;
    for (ptrdiff_t t = 0; t < call->tokens; t++) {
        float *next = (float *)state + call->keep;
        const float decay = exp_one(call->step[t * call->step_stride]);
        ptrdiff_t i = 0;
        for (; i + 4 * LANES <= call->lanes; i += 4 * LANES) {
            gated_delta_lanes(call, t, i, state, next, decay, 4, 4 * LANES);
        }
        for (; i < call->lanes; i += LANES) {
            gated_delta_lanes(call, t, i, state, next, decay, 1, call->lanes - i);
        }
        state = next;
    }
}
