// Sums, extremes and their indices. Element i goes to partial result i % 64, whatever the instruction set.

/// SUM64(count, term) adds term(i, n) in the fixed order, sixteen elements at a time starting at i (n of them, else
/// zero).
#define SUM64(result, count, whole, part)                                       \
    float result;                                                               \
    do {                                                                        \
        f32x16 s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                  \
        ptrdiff_t i = 0;                                                        \
        for (; i + 4 * LANES <= (count); i += 4 * LANES) {                      \
            s0 = whole(s0, i);                                                  \
            s1 = whole(s1, i + LANES);                                          \
            s2 = whole(s2, i + 2 * LANES);                                      \
            s3 = whole(s3, i + 3 * LANES);                                      \
        }                                                                       \
        if (i + LANES <= (count)) { s0 = whole(s0, i); i += LANES;              \
            if (i + LANES <= (count)) { s1 = whole(s1, i); i += LANES;          \
                if (i + LANES <= (count)) { s2 = whole(s2, i); i += LANES;      \
                    if (i < (count)) s3 = part(s3, i, (count) - i);             \
                } else if (i < (count)) s2 = part(s2, i, (count) - i);          \
            } else if (i < (count)) s1 = part(s1, i, (count) - i);              \
        } else if (i < (count)) s0 = part(s0, i, (count) - i);                  \
        result = sum_lanes((s0 + s1) + (s2 + s3));                              \
    } while (0)

static float sum_f32(const float *x, ptrdiff_t count) {
#define WHOLE(s, i) (s + load(x + (i)))
#define PART(s, i, n) (s + load_part(x + (i), n))
    SUM64(total, count, WHOLE, PART);
#undef WHOLE
#undef PART
    return total;
}

static float dot_f32(const float *a, const float *b, ptrdiff_t count) {
#define WHOLE(s, i) fma16(load(a + (i)), load(b + (i)), s)
#define PART(s, i, n) fma16(load_part(a + (i), n), load_part(b + (i), n), s)
    SUM64(total, count, WHOLE, PART);
#undef WHOLE
#undef PART
    return total;
}

static float sum_of_squares_f32(const float *x, ptrdiff_t count) { return dot_f32(x, x, count); }

/// sum((x - mean)^2)
static float sum_of_squares_around(const float *x, float mean, ptrdiff_t count) {
    f32x16 m = splat(mean);
#define WHOLE(s, i) fma16(load(x + (i)) - m, load(x + (i)) - m, s)
#define PART(s, i, n) \
    fma16(choose(lane_numbers() < (int)(n), load_part(x + (i), n) - m, splat(0)), load_part(x + (i), n) - m, s)
    SUM64(total, count, WHOLE, PART);
#undef WHOLE
#undef PART
    return total;
}

/// Lane i of the result is lane i + n of v, modulo 16.
#define ROTATED(v, n)                                                                                          \
    __builtin_shufflevector(v, v, (n) + 0, (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7, (n) + 8, \
                            (n) + 9, (n) + 10, (n) + 11, (n) + 12, (n) + 13, (n) + 14, (n) + 15)

/// The extreme per lane, NaN if the lane had one; lanes beyond the end hold `nothing`.
#define EXTREME(name, better, nothing)                                                                  \
    static float name(const float *x, ptrdiff_t count) {                                                \
        f32x16 m0 = splat(nothing), m1 = m0;                                                            \
        ptrdiff_t i = 0;                                                                                \
        for (; i + 2 * LANES <= count; i += 2 * LANES) {                                                \
            m0 = better(load(x + i), m0);                                                               \
            m1 = better(load(x + i + LANES), m1);                                                       \
        }                                                                                               \
        for (; i < count; i += LANES) {                                                                 \
            ptrdiff_t n = count - i < LANES ? count - i : LANES;                                        \
            m0 = better(choose(lane_numbers() < (int)n, load_part_or_all(x + i, n), splat(nothing)), m0); \
        }                                                                                               \
        m0 = better(m0, m1);                                                                            \
        m0 = better(ROTATED(m0, 8), m0);                                                                \
        m0 = better(ROTATED(m0, 4), m0);                                                                \
        m0 = better(ROTATED(m0, 2), m0);                                                                \
        m0 = better(ROTATED(m0, 1), m0);                                                                \
        return m0[0];                                                                                   \
    }

INLINE f32x16 load_part_or_all(const float *p, ptrdiff_t n) { return n == LANES ? load(p) : load_part(p, n); }
/// NaN if either is NaN.
INLINE f32x16 larger_or_nan(f32x16 new, f32x16 old) { return choose((new > old) | (new != new), new, old); }
INLINE f32x16 smaller_or_nan(f32x16 new, f32x16 old) { return choose((new < old) | (new != new), new, old); }

EXTREME(largest_f32, larger_or_nan, -INFINITY)
EXTREME(smallest_f32, smaller_or_nan, INFINITY)

/// The first index of `value` (or of a NaN, if it is NaN), which is known to occur in x.
static ptrdiff_t first_index_of(const float *x, float value, ptrdiff_t count) {
    i32x16 wanted_nan = (i32x16)(value != value ? -1 : 0);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i < LANES ? count - i : LANES;
        f32x16 v = load_part_or_all(x + i, n);
        i32x16 hit = (v == splat(value)) | ((v != v) & wanted_nan);
        if (__builtin_reduce_or(hit) == 0) continue;
        for (ptrdiff_t lane = 0; lane < n; lane++) {
            if (hit[lane]) return i + lane;
        }
    }
    return -1;
}

static ptrdiff_t index_of_largest_f32(const float *x, ptrdiff_t count) {
    return first_index_of(x, largest_f32(x, count), count);
}
static ptrdiff_t index_of_smallest_f32(const float *x, ptrdiff_t count) {
    return first_index_of(x, smallest_f32(x, count), count);
}

static void fill_reduce(martlet_vector_kernels *table) {
    table->sum = sum_f32;
    table->sum_of_squares = sum_of_squares_f32;
    table->dot = dot_f32;
    table->largest = largest_f32;
    table->smallest = smallest_f32;
    table->index_of_largest = index_of_largest_f32;
    table->index_of_smallest = index_of_smallest_f32;
}
