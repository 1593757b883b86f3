// C[rows][n] = (C * factor) + A[rows][depth] * B[depth][n], B of the cache's type: scores (A the queries, B a page of
// keys) and outputs (A the weights, B a page of values). Every element is one chain over depth, in order.
// Included once per type of cache: ELEMENT, NAMED.

/// One register tile: `rows` by `vectors` * 16, all compile-time constants; rows of A and C are TILE_STRIDE apart.
/// Without factors C starts from zero. With half_lanes only 8 lanes of B exist. What will be read next starts at
/// `ahead`; as many bytes of it are prefetched as are read of B.
INLINE void NAMED(register_tile)(const int rows, const int vectors, const bool half_lanes, const float *a,
                                 const ELEMENT *b, ptrdiff_t b_stride, ptrdiff_t depth, const float *factors,
                                 float *c, const ELEMENT *ahead) {
    f32x16 sum[rows][vectors];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = factors ? load(c + r * TILE_STRIDE + v * LANES) * splat(factors[r]) : splat(0.0f);
        }
    }
    for (ptrdiff_t k = 0; k < depth; k++, a++, b += b_stride) {
        f32x16 row[vectors];
#pragma clang loop unroll(full)
        for (int line = 0; line < vectors * LANES; line += 64 / (int)sizeof *b) __builtin_prefetch(ahead + line);
        ahead += vectors * LANES;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            row[v] = half_lanes ? NAMED(load_half_lanes)(b) : NAMED(load_elements)(b + v * LANES);
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            f32x16 x = splat(a[r * TILE_STRIDE]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sum[r][v] = fma16(x, row[v], sum[r][v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) store(c + r * TILE_STRIDE + v * LANES, sum[r][v]);
    }
}

/// A number of rows that has a register tile: all columns, first whole tiles, then single vectors, then 8 lanes.
#define STRIP(R, V)                                                                                              \
    static __attribute__((noinline)) void NAMED(strip_##R)(const float *a, const ELEMENT *b, ptrdiff_t b_stride, \
                                                           ptrdiff_t depth, const float *factors, float *c,      \
                                                           ptrdiff_t columns, const ELEMENT *ahead) {            \
        ptrdiff_t j = 0;                                                                                         \
        if (factors) {                                                                                           \
            for (; j + V * LANES <= columns; j += V * LANES)                                                     \
                NAMED(register_tile)(R, V, false, a, b + j, b_stride, depth, factors, c + j, ahead + j * depth);                    \
            for (; j + LANES <= columns; j += LANES)                                                             \
                NAMED(register_tile)(R, 1, false, a, b + j, b_stride, depth, factors, c + j, ahead + j * depth);                    \
            if (j < columns) NAMED(register_tile)(R, 1, true, a, b + j, b_stride, depth, factors, c + j, ahead + j * depth);        \
        } else {                                                                                                 \
            for (; j + V * LANES <= columns; j += V * LANES)                                                     \
                NAMED(register_tile)(R, V, false, a, b + j, b_stride, depth, NULL, c + j, ahead + j * depth);                       \
            for (; j + LANES <= columns; j += LANES)                                                             \
                NAMED(register_tile)(R, 1, false, a, b + j, b_stride, depth, NULL, c + j, ahead + j * depth);                       \
        }                                                                                                        \
    }
REGISTER_TILES(STRIP)
#undef STRIP

/// Any number of rows. `columns` is a multiple of 16, of 8 with factors.
static void NAMED(product)(ptrdiff_t rows, const float *a, const ELEMENT *b, ptrdiff_t b_stride, ptrdiff_t depth,
                           const float *factors, float *c, ptrdiff_t columns, const ELEMENT *ahead) {
#define TAKE(R, V)                                                                  \
    while (rows >= R) {                                                             \
        NAMED(strip_##R)(a, b, b_stride, depth, factors, c, columns, ahead);        \
        rows -= R;                                                                  \
        a += R * TILE_STRIDE;                                                       \
        c += R * TILE_STRIDE;                                                       \
        if (factors) factors += R;                                                  \
    }
    REGISTER_TILES(TAKE)
#undef TAKE
}
