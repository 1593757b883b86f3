// Low-rank terms of a few rows, y += s (x Aᵀ) Bᵀ: A and B are read once from one end to the other, in float32 or as codes
// of 8 bits. Lanes are outputs, of A its rank and of B its columns, so every sum has one order whatever the tile, and a
// scale for each row of A and of B is a factor on sums. The order is one chain in ascending order; of the inputs of codes it
// is two, those of even and those of odd index, since at rank 16 and few rows a chain alone waits for its additions.

/// How far ahead of its use memory is fetched: what arrives while main memory answers.
#define LOW_RANK_AHEAD 4096

#define LOW_RANK_UNROLL _Pragma("clang loop unroll(full)")

/// Rows of the largest tile, and its sums, by the registers of the set.
#if defined(LANES_AVX512)
#define LOW_RANK_ROWS 8
#define LOW_RANK_SUMS 8
#else
#define LOW_RANK_ROWS 4
#define LOW_RANK_SUMS 4
#endif

INLINE f32x16 low_rank_read(const bool coded, const char *at) {
    // No access: an address beyond the end is only looked at.
    __builtin_prefetch((const char *)((uintptr_t)at + LOW_RANK_AHEAD));
    if (!coded) return load((const float *)at);
    i8x16 codes;
    memcpy(&codes, at, sizeof codes);
    return __builtin_convertvector(codes, f32x16);
}

/// Adds what one input of R rows gives to V vectors of the rank.
INLINE void low_rank_input(const int R, const int V, const bool coded, ptrdiff_t inputs, ptrdiff_t rank, const float *x,
                           const char *down, f32x16 sum[LOW_RANK_ROWS][4]) {
    f32x16 a[4];
    LOW_RANK_UNROLL for (int v = 0; v < V; v++) a[v] = low_rank_read(coded, down + v * LANES * (coded ? 1 : 4));
    LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
        const f32x16 value = splat(x[r * inputs]);
        LOW_RANK_UNROLL for (int v = 0; v < V; v++) sum[r][v] = fma16(value, a[v], sum[r][v]);
    }
}

/// R rows by V vectors of the rank. Rows of A follow each other without a gap: lanes beyond the rank have numbers of
/// the next row, which are sums that nobody reads.
INLINE void low_rank_down(const int R, const int V, const bool coded, ptrdiff_t inputs, ptrdiff_t rank, const float *x,
                          const char *down, float *inner, ptrdiff_t stride) {
    const int chains = coded ? 2 : 1;
    f32x16 sum[2][LOW_RANK_ROWS][4];
    LOW_RANK_UNROLL for (int c = 0; c < 2; c++) {
        LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
            LOW_RANK_UNROLL for (int v = 0; v < V; v++) sum[c][r][v] = splat(0.0f);
        }
    }
    ptrdiff_t k = 0;
    for (; k + chains <= inputs; k += chains) {
        LOW_RANK_UNROLL for (int c = 0; c < chains; c++)
            low_rank_input(R, V, coded, inputs, rank, x + k + c, down + (k + c) * rank * (coded ? 1 : 4), sum[c]);
    }
    if (k < inputs) low_rank_input(R, V, coded, inputs, rank, x + k, down + k * rank * (coded ? 1 : 4), sum[0]);
    LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
        LOW_RANK_UNROLL for (int v = 0; v < V; v++)
            store(inner + r * stride + v * LANES, coded ? sum[0][r][v] + sum[1][r][v] : sum[0][r][v]);
    }
}

/// R rows by V vectors of the outputs; of the last one `last` lanes exist.
INLINE void low_rank_up(const int R, const int V, const bool coded, ptrdiff_t rank, ptrdiff_t outputs, ptrdiff_t last,
                        const float *inner, ptrdiff_t stride, const char *up, const float *scales, float *y) {
    const ptrdiff_t size = coded ? 1 : 4;
    f32x16 sum[LOW_RANK_ROWS][4];
    LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
        LOW_RANK_UNROLL for (int v = 0; v < V; v++) {
            const float *from = y + r * outputs + v * LANES;
            sum[r][v] = coded ? splat(0.0f) : last == LANES ? load(from) : load_part(from, last);
        }
    }
    for (ptrdiff_t k = 0; k < rank; k++, up += LANES * size) {
        f32x16 b[4];
        LOW_RANK_UNROLL for (int v = 0; v < V; v++) {
            b[v] = low_rank_read(coded, up + v * rank * LANES * size);
        }
        LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
            const f32x16 value = splat(inner[r * stride + k]);
            LOW_RANK_UNROLL for (int v = 0; v < V; v++) sum[r][v] = fma16(value, b[v], sum[r][v]);
        }
    }
    LOW_RANK_UNROLL for (int r = 0; r < R; r++) {
        LOW_RANK_UNROLL for (int v = 0; v < V; v++) {
            float *to = y + r * outputs + v * LANES;
            if (coded) {
                const f32x16 before = last == LANES ? load(to) : load_part(to, last);
                sum[r][v] = fma16(sum[r][v], load(scales + v * LANES), before);
            }
            if (last == LANES) store(to, sum[r][v]);
            else store_part(to, sum[r][v], last);
        }
    }
}

/// Both products of R rows. The fewer rows, the more vectors side by side: a chain alone waits for each of its
/// additions.
INLINE void low_rank_rows(const int R, const bool coded, ptrdiff_t inputs, ptrdiff_t rank, ptrdiff_t outputs,
                          float scale, const float *x, const char *down, const char *up, float *y, float *inner) {
    const int widest = LOW_RANK_SUMS / R < 4 ? LOW_RANK_SUMS / R : 4;
    const ptrdiff_t size = coded ? 1 : 4, chunks = (rank + LANES - 1) / LANES, stride = chunks * LANES;
    // Before codes are their scales.
    const float *down_scales = (const float *)down, *up_scales = (const float *)up;
    if (coded) {
        down += stride * (ptrdiff_t)sizeof(float);
        up += (outputs + LANES - 1) / LANES * LANES * (ptrdiff_t)sizeof(float);
    }
    ptrdiff_t c = 0;
    if (widest >= 4) {
        for (; c + 4 <= chunks; c += 4)
            low_rank_down(R, 4, coded, inputs, rank, x, down + c * LANES * size, inner + c * LANES, stride);
    }
    if (widest >= 2) {
        for (; c + 2 <= chunks; c += 2)
            low_rank_down(R, 2, coded, inputs, rank, x, down + c * LANES * size, inner + c * LANES, stride);
    }
    for (; c < chunks; c++)
        low_rank_down(R, 1, coded, inputs, rank, x, down + c * LANES * size, inner + c * LANES, stride);
    for (ptrdiff_t i = 0; i < R * stride; i += LANES) {
        const f32x16 factor = coded ? splat(scale) * load(down_scales + i % stride) : splat(scale);
        store(inner + i, factor * load(inner + i));
    }

    const ptrdiff_t whole = outputs / LANES, group = rank * LANES * size;
    ptrdiff_t j = 0;
    if (widest >= 4) {
        for (; j + 4 <= whole; j += 4)
            low_rank_up(R, 4, coded, rank, outputs, LANES, inner, stride, up + j * group, up_scales + j * LANES,
                        y + j * LANES);
    }
    if (widest >= 2) {
        for (; j + 2 <= whole; j += 2)
            low_rank_up(R, 2, coded, rank, outputs, LANES, inner, stride, up + j * group, up_scales + j * LANES,
                        y + j * LANES);
    }
    for (; j < whole; j++)
        low_rank_up(R, 1, coded, rank, outputs, LANES, inner, stride, up + j * group, up_scales + j * LANES,
                        y + j * LANES);
    if (outputs % LANES)
        low_rank_up(R, 1, coded, rank, outputs, outputs % LANES, inner, stride, up + j * group, up_scales + j * LANES,
                        y + j * LANES);
}

#define LOW_RANK_PASS(R, coded)                                                                                       \
    for (; row + (R) <= rows; row += (R)) {                                                                           \
        low_rank_rows(R, coded, inputs, rank, outputs, scale, x + row * inputs, down, up, y + row * outputs, inner);  \
    }
#define LOW_RANK(name, coded)                                                                                         \
    static void name(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t rank, ptrdiff_t outputs, float scale,                \
                     const float *x, const void *down, const void *up, float *y, float *inner) {                      \
        ptrdiff_t row = 0;                                                                                            \
        LOW_RANK_PASS(LOW_RANK_ROWS, coded)                                                                           \
        LOW_RANK_PASS(4, coded)                                                                                       \
        LOW_RANK_PASS(2, coded)                                                                                       \
        LOW_RANK_PASS(1, coded)                                                                                       \
    }

LOW_RANK(low_rank_f32, false)
LOW_RANK(low_rank_codes, true)

static void fill_low_rank(martlet_vector_kernels *table) {
    table->low_rank_f32 = low_rank_f32;
    table->low_rank_codes = low_rank_codes;
}
