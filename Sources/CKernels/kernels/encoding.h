// The search for scales and codes for one instruction set; each lane is one run. See martlet_encoding.h.
#include "lanes.h"
#include "transpose.h"

/// Adding and subtracting it rounds numbers below 2²² to the nearest integer, ties to even.
#define ROUNDING 12582912.0f
#define LARGE 3.0e38f

INLINE f32x16 smaller(f32x16 a, f32x16 b) { return choose(a < b, a, b); }
INLINE f32x16 round16(f32x16 x, float low, float high) {
    // Bounds come first: NaN becomes `low`.
    f32x16 bounded = smaller(larger(x, splat(low)), splat(high));
    return (bounded + splat(ROUNDING)) - splat(ROUNDING);
}
INLINE f32x16 divided(f32x16 a, f32x16 b) { return choose(b == splat(0), splat(0), a / b); }

/// Runs with lanes as runs.
typedef struct {
    f32x16 x[MARTLET_LONGEST_RUN], v[MARTLET_LONGEST_RUN];
    /// Σv, Σvw, Σvw².
    f32x16 sv, svx, svxx;
    f32x16 least, most;
    int length;
} lanes_of_runs;

INLINE void gather_rows(const float *const *rows, size_t count, size_t length, f32x16 *out) {
    for (size_t from = 0; from < length; from += 16) {
        const size_t part = length - from < 16 ? length - from : 16;
        f32x16 tile[16];
        for (size_t l = 0; l < 16; l++) {
            tile[l] = l >= count ? splat(0) : part == 16 ? load(rows[l] + from) : load_part(rows[l] + from, (ptrdiff_t)part);
        }
        transpose16(tile);
        for (size_t k = 0; k < part; k++) out[from + k] = tile[k];
    }
}

INLINE void gather(const martlet_runs *runs, lanes_of_runs *out) {
    const float *rows[MARTLET_RUNS] = {0};
    for (size_t l = 0; l < runs->count; l++) rows[l] = runs->values + l * runs->length;
    gather_rows(rows, runs->count, runs->length, out->x);
    out->length = (int)runs->length;
    if (runs->importances) {
        for (size_t l = 0; l < runs->count; l++) rows[l] = runs->importances[l];
        gather_rows(rows, runs->count, runs->length, out->v);
    } else {
        for (int k = 0; k < out->length; k++) out->v[k] = splat(1);
    }
    out->sv = out->svx = out->svxx = splat(0);
    out->least = out->most = out->x[0];
    for (int k = 0; k < out->length; k++) {
        const f32x16 x = out->x[k], vx = out->v[k] * x;
        out->sv += out->v[k];
        out->svx += vx;
        out->svxx += vx * x;
        out->least = smaller(out->least, x);
        out->most = larger(out->most, x);
    }
}

// MARK: - Affine

typedef struct {
    f32x16 error, scale, minimum;
} affine_fit;

/// The best scale and minimum for codes round(x · inverse + shift); they replace `best` where their error is less.
INLINE void try_affine(const lanes_of_runs *r, f32x16 inverse, f32x16 shift, float top, bool below, affine_fit *best) {
    f32x16 sq = splat(0), sqq = splat(0), sqx = splat(0);
    for (int k = 0; k < r->length; k++) {
        const f32x16 q = round16(r->x[k] * inverse + shift, 0, top), vq = r->v[k] * q;
        sq += vq;
        sqq += vq * q;
        sqx += vq * r->x[k];
    }
    const f32x16 determinant = r->sv * sqq - sq * sq;
    f32x16 scale = divided(r->sv * sqx - r->svx * sq, determinant);
    f32x16 minimum = divided(sqq * r->svx - sq * sqx, determinant);
    f32x16 error = r->svxx - scale * sqx - minimum * r->svx;
    if (below) {
        const f32x16 plain = divided(sqx, sqq);
        const i32x16 above = minimum > splat(0);
        scale = choose(above, plain, scale);
        minimum = choose(above, splat(0), minimum);
        error = choose(above, r->svxx - plain * sqx, error);
    }
    const i32x16 better = (error < best->error) & (scale > splat(0)) & (determinant > splat(0));
    best->error = choose(better, error, best->error);
    best->scale = choose(better, scale, best->scale);
    best->minimum = choose(better, minimum, best->minimum);
}

static void affine(const martlet_runs *runs, int top, bool below, float *scale, float *minimum) {
    lanes_of_runs r;
    gather(runs, &r);
    const f32x16 low = below ? smaller(r.least, splat(0)) : r.least;
    const f32x16 range = r.most - low, highest = splat((float)top);
    affine_fit best;
    // All weights are equal: the minimum is their mean and the scale is 0.
    best.minimum = divided(r.svx, r.sv);
    if (below) best.minimum = smaller(best.minimum, splat(0));
    best.scale = splat(0);
    best.error = r.svxx - splat(2) * best.minimum * r.svx + best.minimum * best.minimum * r.sv;
    // More than `top` steps clip codes at the upper end, or at both ends.
    const int tries = top <= 3 ? 20 : 14;
    for (int t = 0; t < tries; t++) {
        const float more = top <= 3 ? -0.9f + 0.13f * (float)t : -0.5f + 0.17f * (float)t;
        const f32x16 inverse = divided(highest + splat(more), range);
        const f32x16 shift = splat(0) - low * inverse;
        try_affine(&r, inverse, shift, (float)top, below, &best);
        if (more > 0.3f) try_affine(&r, inverse, shift - splat(0.5f * more), (float)top, below, &best);
    }
    for (int t = 0; t < 3; t++) {
        const f32x16 inverse = divided(splat(1), best.scale);
        try_affine(&r, inverse, splat(0) - best.minimum * inverse, (float)top, below, &best);
    }
    store(scale, best.scale);
    store(minimum, best.minimum);
}

// MARK: - Symmetric

typedef struct {
    /// (Σvxq)² / Σvq²: by this the error is less than Σvx².
    f32x16 gain, scale;
} symmetric_fit;

INLINE void keep_better(symmetric_fit *best, f32x16 sqx, f32x16 sqq) {
    const f32x16 gain = divided(sqx * sqx, sqq);
    const i32x16 better = gain > best->gain;
    best->gain = choose(better, gain, best->gain);
    best->scale = choose(better, divided(sqx, sqq), best->scale);
}

INLINE void try_symmetric(const lanes_of_runs *r, f32x16 inverse, float low, float high, symmetric_fit *best) {
    f32x16 sqq = splat(0), sqx = splat(0);
    for (int k = 0; k < r->length; k++) {
        const f32x16 q = round16(r->x[k] * inverse, low, high), vq = r->v[k] * q;
        sqq += vq * q;
        sqx += vq * r->x[k];
    }
    keep_better(best, sqx, sqq);
}

/// The element furthest from zero, with its sign.
INLINE f32x16 extreme(const lanes_of_runs *r) { return choose(r->most > splat(0) - r->least, r->most, r->least); }

static void symmetric(const martlet_runs *runs, int low, int high, float *scale) {
    lanes_of_runs r;
    gather(runs, &r);
    const f32x16 end = extreme(&r);
    symmetric_fit best = {splat(0), splat(0)};
    const float narrow = high > 16 ? 0.12f : high > 8 ? 0.1f : 0.1f;
    const int tries = high > 8 ? 10 : 9;
    for (int t = -tries; t <= tries; t++) {
        // The code of the extreme weight is the limit on the longer side or, with the opposite sign, on the shorter
        // side.
        const float more = (float)t * narrow;
        try_symmetric(&r, divided(splat((float)low + more), end), (float)low, (float)high, &best);
        if (t >= -2 && t <= 4) try_symmetric(&r, divided(splat((float)high + 0.2f * (float)t), end), (float)low, (float)high, &best);
    }
    for (int t = 0; t < 2; t++) try_symmetric(&r, divided(splat(1), best.scale), (float)low, (float)high, &best);
    store(scale, best.scale);
}

// MARK: - Levels

/// The nearest of ascending levels, and its index.
INLINE f32x16 nearest_level(f32x16 x, const float *levels, const float *between, size_t count) {
    f32x16 level = splat(levels[0]);
    for (size_t i = 1; i < count; i++) level = choose(x > splat(between[i - 1]), splat(levels[i]), level);
    return level;
}

INLINE void try_levels(const lanes_of_runs *r, f32x16 inverse, const float *levels, const float *between, size_t count,
                       symmetric_fit *best) {
    f32x16 sqq = splat(0), sqx = splat(0);
    for (int k = 0; k < r->length; k++) {
        const f32x16 q = nearest_level(r->x[k] * inverse, levels, between, count), vq = r->v[k] * q;
        sqq += vq * q;
        sqx += vq * r->x[k];
    }
    keep_better(best, sqx, sqq);
}

static void middles(const float *levels, size_t count, float *between) {
    for (size_t i = 1; i < count; i++) between[i - 1] = 0.5f * (levels[i - 1] + levels[i]);
}

static void levels(const martlet_runs *runs, const float *values, size_t count, float *scale) {
    lanes_of_runs r;
    float between[MARTLET_LEVELS];
    gather(runs, &r);
    middles(values, count, between);
    const f32x16 end = extreme(&r);
    symmetric_fit best = {splat(0), splat(0)};
    for (int t = -7; t <= 7; t++) {
        const float factor = 1 + 0.015f * (float)t;
        try_levels(&r, divided(splat(values[0] * factor), end), values, between, count, &best);
        try_levels(&r, divided(splat(values[count - 1] * factor), end), values, between, count, &best);
    }
    for (int t = 0; t < 2; t++) try_levels(&r, divided(splat(1), best.scale), values, between, count, &best);
    store(scale, best.scale);
}

// MARK: - Codes

INLINE void scatter_codes(const martlet_runs *runs, const u8x16 *codes, uint8_t *out) {
    for (size_t l = 0; l < runs->count; l++) {
        for (size_t k = 0; k < runs->length; k++) out[l * runs->length + k] = ((const uint8_t *)(codes + k))[l];
    }
}

static void codes(const martlet_runs *runs, int low, int high, const float *scale, const float *minimum, uint8_t *out,
                  float *error) {
    lanes_of_runs r;
    u8x16 found[MARTLET_LONGEST_RUN];
    gather(runs, &r);
    const f32x16 s = load(scale), m = minimum ? load(minimum) : splat(0), inverse = divided(splat(1), s);
    f32x16 sum = splat(0);
    for (int k = 0; k < r.length; k++) {
        const f32x16 q = round16((r.x[k] - m) * inverse, (float)low, (float)high);
        const f32x16 miss = r.x[k] - (s * q + m);
        sum += r.v[k] * miss * miss;
        found[k] = __builtin_convertvector(__builtin_convertvector(q - splat((float)low), i32x16), u8x16);
    }
    if (out) scatter_codes(runs, found, out);
    if (error) store(error, sum);
}

static void level_codes(const martlet_runs *runs, const float *values, size_t count, const float *scale, uint8_t *out,
                        float *error) {
    lanes_of_runs r;
    float between[MARTLET_LEVELS];
    u8x16 found[MARTLET_LONGEST_RUN];
    gather(runs, &r);
    middles(values, count, between);
    const f32x16 s = load(scale), inverse = divided(splat(1), s);
    f32x16 sum = splat(0);
    for (int k = 0; k < r.length; k++) {
        const f32x16 x = r.x[k] * inverse;
        f32x16 level = splat(values[0]);
        i32x16 code = 0;
        for (size_t i = 1; i < count; i++) {
            const i32x16 above = x > splat(between[i - 1]);
            level = choose(above, splat(values[i]), level);
            code -= above;
        }
        const f32x16 miss = r.x[k] - s * level;
        sum += r.v[k] * miss * miss;
        found[k] = __builtin_convertvector(code, u8x16);
    }
    if (out) scatter_codes(runs, found, out);
    if (error) store(error, sum);
}

static void sums(const martlet_runs *runs, int low, const uint8_t *given, float *out) {
    lanes_of_runs r;
    gather(runs, &r);
    f32x16 sqq = splat(0), sq = splat(0), sqx = splat(0);
    for (int k = 0; k < r.length; k++) {
        f32x16 q = splat(0);
        for (size_t l = 0; l < runs->count; l++) ((float *)&q)[l] = (float)((int)given[l * runs->length + (size_t)k] + low);
        const f32x16 vq = r.v[k] * q;
        sq += vq;
        sqq += vq * q;
        sqx += vq * r.x[k];
    }
    store(out, sqq);
    store(out + 16, sq);
    store(out + 32, r.sv);
    store(out + 48, sqx);
    store(out + 64, r.svx);
}

static void fill_encoding(martlet_encoding_kernels *table) {
    table->affine = affine;
    table->symmetric = symmetric;
    table->levels = levels;
    table->codes = codes;
    table->level_codes = level_codes;
    table->sums = sums;
}
