// Gradients of the recurrences, from the last token to the first. G is the gradient of the state after a token.

static void selective_scan_gradient(const martlet_recurrence_gradient *call) {
    const martlet_recurrence *f = &call->forward;
    for (ptrdiff_t t = f->tokens - 1; t >= 0; t--) {
        const float *before = f->state + t * f->keep, *after = before + f->keep;
        const float *b = f->b + t * f->b_stride, *c = f->c + t * f->c_stride;
        float *db = call->db + t * call->db_stride, *dc = call->dc + t * call->dc_stride;
        for (ptrdiff_t r = 0; r < f->rows; r++) db[r] = dc[r] = 0;
        for (ptrdiff_t i = 0; i < f->lanes; i += LANES) {
            const ptrdiff_t n = f->lanes - i;
            const f32x16 x = load_some(f->x + t * f->x_stride + i, n), dy = load_some(call->dy + t * call->dy_stride + i, n);
            const f32x16 dt = load_some(f->step + t * f->step_stride + i, n), scaled = dt * x;
            f32x16 written = splat(0.0f), dstep = splat(0.0f);
            for (ptrdiff_t r = 0; r < f->rows; r++) {
                const f32x16 a = load_some(f->a + r * f->a_stride + i, n), decay = exp16(dt * a);
                const f32x16 g = fma16(splat(c[r]), dy, load_some(call->carried + r * f->lanes + i, n));
                const f32x16 h0 = load_some(before + r * f->state_stride + i, n);
                const f32x16 h1 = load_some(after + r * f->state_stride + i, n);
                dc[r] += sum_lanes(h1 * dy);
                db[r] += sum_lanes(g * scaled);
                written = fma16(splat(b[r]), g, written);
                const f32x16 kept = g * h0 * decay;
                dstep = fma16(a, kept, dstep);
                float *da = call->da + r * f->lanes + i;
                store_some(da, fma16(dt, kept, load_some(da, n)), n);
                store_some(call->carried + r * f->lanes + i, g * decay, n);
            }
            f32x16 dx = dt * written;
            if (f->d) {
                dx = fma16(load_some(f->d + i, n), dy, dx);
                store_some(call->dd + i, fma16(dy, x, load_some(call->dd + i, n)), n);
            }
            store_some(call->dx + t * call->dx_stride + i, dx, n);
            store_some(call->dstep + t * call->dstep_stride + i, fma16(x, written, dstep), n);
        }
    }
}

static void state_space_gradient(const martlet_recurrence_gradient *call) {
    const martlet_recurrence *f = &call->forward;
    const float a = *f->a;
    for (ptrdiff_t t = f->tokens - 1; t >= 0; t--) {
        const float *before = f->state + t * f->keep, *after = before + f->keep;
        const float *b = f->b + t * f->b_stride, *c = f->c + t * f->c_stride;
        float *db = call->db + t * call->db_stride, *dc = call->dc + t * call->dc_stride;
        const float dt = f->step[t * f->step_stride], decay = exp_one(dt * a);
        for (ptrdiff_t r = 0; r < f->rows; r++) db[r] = dc[r] = 0;
        f32x16 kept = splat(0.0f), skipped = splat(0.0f);
        for (ptrdiff_t i = 0; i < f->lanes; i += LANES) {
            const ptrdiff_t n = f->lanes - i;
            const f32x16 x = load_some(f->x + t * f->x_stride + i, n), dy = load_some(call->dy + t * call->dy_stride + i, n);
            f32x16 written = splat(0.0f);
            for (ptrdiff_t r = 0; r < f->rows; r++) {
                const f32x16 g = fma16(splat(c[r]), dy, load_some(call->carried + r * f->lanes + i, n));
                dc[r] += sum_lanes(load_some(after + r * f->state_stride + i, n) * dy);
                db[r] += sum_lanes(g * x);
                written = fma16(splat(b[r]), g, written);
                kept = fma16(g, load_some(before + r * f->state_stride + i, n), kept);
                store_some(call->carried + r * f->lanes + i, g * splat(decay), n);
            }
            f32x16 dx = splat(dt) * written;
            if (f->d) dx = fma16(splat(*f->d), dy, dx);
            skipped = fma16(dy, x, skipped);
            store_some(call->dx + t * call->dx_stride + i, dx, n);
        }
        float dstep = 0;
        for (ptrdiff_t r = 0; r < f->rows; r++) {
            dstep += b[r] * db[r];
            db[r] *= dt;
        }
        const float through = sum_lanes(kept) * decay;
        call->dstep[t * call->dstep_stride] = dstep + a * through;
        *call->da += dt * through;
        if (f->d) *call->dd += sum_lanes(skipped);
    }
}

static void gated_delta_gradient(const martlet_recurrence_gradient *call) {
    const martlet_recurrence *f = &call->forward;
    float *missing = call->scratch, *dmissing = missing + f->lanes;
    for (ptrdiff_t t = f->tokens - 1; t >= 0; t--) {
        const float *before = f->state + t * f->keep, *after = before + f->keep;
        const float *k = f->b + t * f->b_stride, *q = f->c + t * f->c_stride;
        float *dk = call->db + t * call->db_stride, *dq = call->dc + t * call->dc_stride;
        const float decay = exp_one(f->step[t * f->step_stride]), beta = f->beta[t * f->beta_stride];
        for (ptrdiff_t r = 0; r < f->rows; r++) dk[r] = dq[r] = 0;
        f32x16 dbeta = splat(0.0f), kept = splat(0.0f);
        for (ptrdiff_t i = 0; i < f->lanes; i += LANES) {
            const ptrdiff_t n = f->lanes - i;
            const f32x16 v = load_some(f->x + t * f->x_stride + i, n), dy = load_some(call->dy + t * call->dy_stride + i, n);
            f32x16 read = splat(0.0f), dwritten = splat(0.0f);
            for (ptrdiff_t r = 0; r < f->rows; r++) {
                const f32x16 g = fma16(splat(q[r]), dy, load_some(call->carried + r * f->lanes + i, n));
                dq[r] += sum_lanes(load_some(after + r * f->state_stride + i, n) * dy);
                read = fma16(splat(k[r]), load_some(before + r * f->state_stride + i, n), read);
                dwritten = fma16(splat(k[r]), g, dwritten);
                store_some(call->carried + r * f->lanes + i, g, n);
            }
            // The value that the state did not give, and the gradients of what was written and of what was read.
            const f32x16 lacking = v - splat(decay) * read, dvalue = splat(beta) * dwritten;
            dbeta = fma16(dwritten, lacking, dbeta);
            store_some(call->dx + t * call->dx_stride + i, dvalue, n);
            store_some(missing + i, splat(beta) * lacking, n);
            store_some(dmissing + i, -dvalue, n);
        }
        for (ptrdiff_t r = 0; r < f->rows; r++) {
            f32x16 sum = splat(0.0f);
            for (ptrdiff_t i = 0; i < f->lanes; i += LANES) {
                const ptrdiff_t n = f->lanes - i;
                const f32x16 g = load_some(call->carried + r * f->lanes + i, n);
                const f32x16 s0 = load_some(before + r * f->state_stride + i, n);
                const f32x16 dread = load_some(dmissing + i, n), whole = fma16(splat(k[r]), dread, g);
                sum = fma16(g, load_some(missing + i, n), sum);
                sum = fma16(splat(decay) * s0, dread, sum);
                kept = fma16(whole, s0, kept);
                store_some(call->carried + r * f->lanes + i, splat(decay) * whole, n);
            }
            dk[r] = sum_lanes(sum);
        }
        call->dbeta[t * call->dbeta_stride] = sum_lanes(dbeta);
        call->dstep[t * call->dstep_stride] = decay * sum_lanes(kept);
    }
}
