// The matrix product, once for every instruction set. The including file defines, for a vector of W floats,
//     VEC W vzero() vload(p) vload_part(p, n) vstore(p, v) vstore_part(p, v, n) vset1(x) vmul(x, y) vfma(x, y, acc)
//     transpose(VEC rows[W])                                        in registers
// pack_patch(from, stride, rows, to), which turns `rows` <= MR rows of PK floats into PK groups of MR floats (the
// missing rows zero), the tile MR x NV vectors, and EACH_ROW(X), which expands X(1) … X(MR).
//
// Packed panels and the loops around them follow Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication" (2008). Accumulators of a tile stay in registers over a whole block of k.
#include "fill.h"

#define INLINE static inline __attribute__((always_inline))
#define NR (NV * W)
#define UNROLL _Pragma("GCC unroll 32")

/// Width in vectors of the next panel when `columns` remain: two panels of two vectors instead of three and one.
INLINE int panel_vectors(ptrdiff_t columns) {
    ptrdiff_t vectors = (columns + W - 1) / W;
    if (vectors <= NV) return (int)vectors;
    return vectors == NV + 1 && NV > 2 ? (NV + 1) / 2 : NV;
}

// MARK: - One tile

/// A tile of few rows: C[R x V vectors] (+)= A[R x depth] B[depth x V vectors]; `last` lanes of the last vector exist.
INLINE void tile(const int R, const int V, const bool packed_b, ptrdiff_t depth, const float *a, ptrdiff_t a_row,
                 ptrdiff_t a_depth, const float *b, ptrdiff_t b_depth, float *c, ptrdiff_t c_stride, int last,
                 bool accumulate) {
    VEC acc[MR][NV];
    if (accumulate) {
        UNROLL for (int r = 0; r < R; r++) {
            UNROLL for (int v = 0; v < V; v++) {
                const float *from = c + r * c_stride + v * W;
                acc[r][v] = v + 1 < V || last == W ? vload(from) : vload_part(from, last);
            }
        }
    } else {
        UNROLL for (int r = 0; r < R; r++) {
            // The lines will be written soon.
            UNROLL for (int v = 0; v < V; v++) {
                __builtin_prefetch(c + r * c_stride + v * W, 1);
                acc[r][v] = vzero();
            }
        }
    }
    for (ptrdiff_t k = 0; k < depth; k++) {
        VEC right[NV];
        UNROLL for (int v = 0; v < V; v++) {
            right[v] = packed_b || v + 1 < V || last == W ? vload(b + v * W) : vload_part(b + v * W, last);
        }
        UNROLL for (int r = 0; r < R; r++) {
            VEC left = vset1(a[r * a_row]);
            UNROLL for (int v = 0; v < V; v++) acc[r][v] = vfma(left, right[v], acc[r][v]);
        }
        a += a_depth;
        b += packed_b ? V * W : b_depth;
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int v = 0; v < V; v++) {
            float *to = c + r * c_stride + v * W;
            if (v + 1 < V || last == W) vstore(to, acc[r][v]);
            else vstore_part(to, acc[r][v], last);
        }
    }
}

/// Floats per cache line, and the prefetch distance along rows of A: four lines, some eight hundred cycles before their
/// use, which hides the latency of the level 3 cache.
#define LINE 16
#define FETCH_AHEAD 64
#define FETCH_LINES 3

/// Lines that a tile prefetches while it computes, three per LINE steps of k: at `at` and `across` floats after it;
/// then `at` advances by `along` floats. Also the next tile of C, prefetched for writing, one row at a time: all rows
/// at once would delay the lines of A and B.
typedef struct {
    const float *at;
    ptrdiff_t across, along;
    const float *c;
} companion;

/// The tile of a block; A is packed, or row-major and read in place. Each such row is a separate stream, more than the
/// hardware prefetchers can follow, so every line is prefetched in software; near the end, the lines of the tile that
/// starts at `next`.
INLINE void block_tile(const int R, const int V, const bool packed_a, ptrdiff_t depth, const float *a, ptrdiff_t a_row,
                       const float *next, const float *b, float *c, ptrdiff_t c_stride, int last, bool accumulate,
                       companion fetch) {
    VEC acc[MR][NV];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int v = 0; v < V; v++) {
            const float *from = c + r * c_stride + v * W;
            acc[r][v] = !accumulate ? vzero() : v + 1 < V || last == W ? vload(from) : vload_part(from, last);
        }
    }
#define STEP(k)                                                                                         \
    do {                                                                                                \
        VEC right[NV];                                                                                  \
        UNROLL for (int v = 0; v < V; v++) right[v] = vload(b + v * W);                                 \
        UNROLL for (int r = 0; r < R; r++) {                                                            \
            VEC left = vset1(packed_a ? a[(k) * MR + r] : a[r * a_row + (k)]);                          \
            UNROLL for (int v = 0; v < V; v++) acc[r][v] = vfma(left, right[v], acc[r][v]);             \
        }                                                                                               \
        b += V * W;                                                                                     \
    } while (0)
    ptrdiff_t whole = depth & ~(ptrdiff_t)(LINE - 1);
    for (ptrdiff_t k = 0; k < whole; k += LINE, a += packed_a ? LINE * MR : LINE) {
        if (!packed_a) {
            const float *ahead = k + FETCH_AHEAD < depth ? a + FETCH_AHEAD : next + (k + FETCH_AHEAD - depth);
            UNROLL for (int r = 0; r < R; r++) __builtin_prefetch(ahead + r * a_row);
        }
        UNROLL for (int i = 0; i < FETCH_LINES; i++) __builtin_prefetch(fetch.at + i * fetch.across, 0, 2);
        fetch.at += fetch.along;
        if (k < MR * LINE) {
            UNROLL for (int v = 0; v < NR; v += LINE) __builtin_prefetch(fetch.c + v, 1);
            fetch.c += c_stride;
        }
        _Pragma("nounroll") for (int i = 0; i < LINE; i++) STEP(i);
    }
    for (ptrdiff_t k = whole; k < depth; k++, a += packed_a ? MR : 1) STEP(0);
#undef STEP
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int v = 0; v < V; v++) {
            float *to = c + r * c_stride + v * W;
            if (v + 1 < V || last == W) vstore(to, acc[r][v]);
            else vstore_part(to, acc[r][v], last);
        }
    }
}

typedef void inner_tile(ptrdiff_t depth, const float *a, ptrdiff_t a_row, const float *next, const float *b, float *c,
                        ptrdiff_t c_stride, int last, bool accumulate, companion fetch);
typedef void thin_tile(ptrdiff_t depth, const float *a, ptrdiff_t a_row, ptrdiff_t a_depth, const float *b,
                       ptrdiff_t b_depth, float *c, ptrdiff_t c_stride, int last, bool accumulate);

#define TILE(R, V)                                                                                                   \
    static void packed_##R##_##V(ptrdiff_t depth, const float *a, ptrdiff_t a_row, const float *next,                \
                                 const float *b, float *c, ptrdiff_t c_stride, int last, bool accumulate,            \
                                 companion fetch) {                                                                  \
        block_tile(R, V, true, depth, a, a_row, next, b, c, c_stride, last, accumulate, fetch);                      \
    }                                                                                                                \
    static void rows_##R##_##V(ptrdiff_t depth, const float *a, ptrdiff_t a_row, const float *next, const float *b,  \
                               float *c, ptrdiff_t c_stride, int last, bool accumulate, companion fetch) {           \
        block_tile(R, V, false, depth, a, a_row, next, b, c, c_stride, last, accumulate, fetch);                     \
    }                                                                                                                \
    static void mixed_##R##_##V(ptrdiff_t depth, const float *a, ptrdiff_t a_row, ptrdiff_t a_depth, const float *b, \
                                ptrdiff_t b_depth, float *c, ptrdiff_t c_stride, int last, bool accumulate) {        \
        (void)b_depth;                                                                                               \
        tile(R, V, true, depth, a, a_row, a_depth, b, 0, c, c_stride, last, accumulate);                             \
    }                                                                                                                \
    static void plain_##R##_##V(ptrdiff_t depth, const float *a, ptrdiff_t a_row, ptrdiff_t a_depth, const float *b, \
                                ptrdiff_t b_depth, float *c, ptrdiff_t c_stride, int last, bool accumulate) {        \
        tile(R, V, false, depth, a, a_row, a_depth, b, b_depth, c, c_stride, last, accumulate);                      \
    }

#if NV == 2
#define EACH_WIDTH(X, R) X(R, 1) X(R, 2)
#define NAMES(kind, R) {kind##_##R##_1, kind##_##R##_2},
#else
#define EACH_WIDTH(X, R) X(R, 1) X(R, 2) X(R, 3)
#define NAMES(kind, R) {kind##_##R##_1, kind##_##R##_2, kind##_##R##_3},
#endif
#define TILES(R) EACH_WIDTH(TILE, R)
EACH_ROW(TILES)
#define PACKED_NAMES(R) NAMES(packed, R)
#define ROWS_NAMES(R) NAMES(rows, R)
#define MIXED_NAMES(R) NAMES(mixed, R)
#define PLAIN_NAMES(R) NAMES(plain, R)
static inner_tile *const packed_tiles[MR][NV] = {EACH_ROW(PACKED_NAMES)};
static inner_tile *const row_tiles[MR][NV] = {EACH_ROW(ROWS_NAMES)};
static thin_tile *const mixed_tiles[MR][NV] = {EACH_ROW(MIXED_NAMES)};
static thin_tile *const plain_tiles[MR][NV] = {EACH_ROW(PLAIN_NAMES)};

// MARK: - A block of tiles

/// How the prefetches for the next packing are distributed over the last tiles of a block (lines fetched earlier might
/// be evicted again): three runs side by side along their lines, or three lines of each run, run after run.
typedef struct {
    const float *from;
    ptrdiff_t across, along, length, passes, tile, end;
} fetch_plan;

INLINE fetch_plan plan_fetch(martlet_upcoming next, ptrdiff_t tiles, ptrdiff_t depth) {
    fetch_plan plan = {next.from, 0, 0, depth / LINE, 1, 0, 0};
    if (!next.from || plan.length == 0) return plan;
    const ptrdiff_t lines = (next.width + LINE - 1) / LINE;
    const bool wide = next.width > next.runs;
    const ptrdiff_t groups = ((wide ? next.runs : lines) + FETCH_LINES - 1) / FETCH_LINES;
    plan.across = wide ? next.stride : LINE;
    plan.along = wide ? LINE : next.stride;
    plan.passes = ((wide ? lines : next.runs) + plan.length - 1) / plan.length;
    plan.end = groups * plan.passes;
    plan.tile = plan.end < tiles ? plan.end - tiles : 0;
    return plan;
}

/// The next prefetch addresses; `otherwise`, a line that the tile reads anyway, if the plan does not contain this tile.
INLINE companion next_fetch(fetch_plan *plan, const float *otherwise, const float *c) {
    const ptrdiff_t tile = plan->tile++;
    if (tile < 0 || tile >= plan->end) return (companion){otherwise, 0, 0, c};
    const ptrdiff_t group = tile / plan->passes, pass = tile % plan->passes;
    return (companion){plan->from + group * FETCH_LINES * plan->across + pass * plan->length * plan->along,
                       plan->across, plan->along, c};
}

static void block(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *a, const float *b, float *c,
                  ptrdiff_t c_stride, bool accumulate, bool rows_inside, martlet_upcoming next) {
    ptrdiff_t rows_step = rows_inside ? rows : MR;
    fetch_plan plan = plan_fetch(next, ((rows + MR - 1) / MR) * ((columns + NR - 1) / NR), depth);
    for (ptrdiff_t top = 0; top < rows; top += rows_step) {
        const float *panel = b;
        for (ptrdiff_t j = 0; j < columns;) {
            int vectors = panel_vectors(columns - j);
            ptrdiff_t left = columns - j - (vectors - 1) * W;
            int last = left < W ? (int)left : W;
            ptrdiff_t bottom = top + rows_step < rows ? top + rows_step : rows;
            for (ptrdiff_t i = top; i < bottom; i += MR) {
                int height = bottom - i < MR ? (int)(bottom - i) : MR;
                const float *below = bottom - i > MR ? c + (i + MR) * c_stride + j : c + top * c_stride + j + vectors * W;
                packed_tiles[height - 1][vectors - 1](depth, a + i * depth, 0, a, panel, c + i * c_stride + j,
                                                      c_stride, last, accumulate, next_fetch(&plan, panel, below));
            }
            panel += vectors * W * depth;
            j += vectors * W;
        }
    }
}

/// The same for a row-major A that is not packed: one panel of B after the other; a panel stays in the level 2 cache
/// while all rows of A are multiplied with it.
static void block_rows(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *a, ptrdiff_t a_row,
                       const float *b, float *c, ptrdiff_t c_stride, bool accumulate, martlet_upcoming next) {
    fetch_plan plan = plan_fetch(next, ((rows + MR - 1) / MR) * ((columns + NR - 1) / NR), depth);
    for (ptrdiff_t j = 0; j < columns;) {
        int vectors = panel_vectors(columns - j);
        ptrdiff_t left = columns - j - (vectors - 1) * W;
        int last = left < W ? (int)left : W;
        for (ptrdiff_t i = 0; i < rows; i += MR) {
            int height = rows - i < MR ? (int)(rows - i) : MR;
            const bool follows = rows - i >= 2 * MR;
            const float *from = a + i * a_row, *below = follows ? from + MR * a_row : from;
            float *to = c + i * c_stride + j;
            row_tiles[height - 1][vectors - 1](depth, from, a_row, below, b, to, c_stride, last, accumulate,
                                               next_fetch(&plan, b, follows ? to + MR * c_stride : to));
        }
        b += vectors * W * depth;
        j += vectors * W;
    }
}

#include "gemm_packing.h"

// MARK: - Few rows

/// Steps of k per pass of the thin product. B along k: a packed panel of this depth stays in the level 1 cache. B along
/// n: this many rows of B are read side by side, each as a stream.
#define THIN_PACKED_DEPTH 128
#define THIN_PLAIN_DEPTH 16

static void thin(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const float *a, ptrdiff_t row_stride,
                 ptrdiff_t depth_stride, const float *b, ptrdiff_t b_depth_stride, ptrdiff_t b_column_stride, float *c,
                 ptrdiff_t c_stride, bool accumulate) {
    if (rows <= 0) return;
    _Alignas(64) float panel[NR * THIN_PACKED_DEPTH];
    const bool along_depth = b_depth_stride == 1;
    const ptrdiff_t step = along_depth ? THIN_PACKED_DEPTH : THIN_PLAIN_DEPTH;
    const ptrdiff_t slice = along_depth ? NR : columns;
    for (ptrdiff_t first = 0; first < columns; first += slice) {
        ptrdiff_t end = first + slice < columns ? first + slice : columns;
        for (ptrdiff_t k = 0; k < depth; k += step) {
            ptrdiff_t part = depth - k < step ? depth - k : step;
            for (ptrdiff_t j = first; j < end;) {
                ptrdiff_t left = end - j;
                int vectors = left > NR ? NV : (int)((left + W - 1) / W);
                ptrdiff_t partial = left - (vectors - 1) * W;
                int last = partial < W ? (int)partial : W;
                const float *from = b + k * b_depth_stride + j * b_column_stride;
                const float *left_operand = a + k * depth_stride;
                if (along_depth) {
                    ptrdiff_t width = left < NR ? left : NR;
                    for (int v = 0; v < vectors; v++) {
                        ptrdiff_t there = width - v * W;
                        const float *slab = from + v * W * b_column_stride;
                        float *to = panel + v * W;
                        if (there >= W) pack_slab(slab, b_column_stride, W, vectors * W, part, to);
                        else pack_slab(slab, b_column_stride, (int)there, vectors * W, part, to);
                    }
                    mixed_tiles[rows - 1][vectors - 1](part, left_operand, row_stride, depth_stride, panel, 0, c + j,
                                                       c_stride, last, accumulate || k > 0);
                } else {
                    plain_tiles[rows - 1][vectors - 1](part, left_operand, row_stride, depth_stride, from,
                                                       b_depth_stride, c + j, c_stride, last, accumulate || k > 0);
                }
                j += vectors * W;
            }
        }
    }
}

// MARK: - Other entries

static void combine(ptrdiff_t count, float alpha, const float *x, float beta, float *c) {
    VEC scale = vset1(alpha), keep = vset1(beta);
    for (ptrdiff_t i = 0; i < count; i += W) {
        int there = count - i < W ? (int)(count - i) : W;
        VEC value = vmul(scale, there == W ? vload(x + i) : vload_part(x + i, there));
        if (beta != 0) value = vfma(keep, there == W ? vload(c + i) : vload_part(c + i, there), value);
        if (there == W) vstore(c + i, value);
        else vstore_part(c + i, value, there);
    }
}

static double multiply_add_burn(ptrdiff_t rounds) {
    volatile float seed = 1e-30f;
    VEC x = vset1(seed), y = vset1(seed), acc[MR * NV];
    UNROLL for (int i = 0; i < MR * NV; i++) acc[i] = vset1(seed);
    const int repeats = 96 / (MR * NV);
    for (ptrdiff_t i = 0; i < rounds; i++) {
        UNROLL for (int repeat = 0; repeat < repeats; repeat++) {
            UNROLL for (int j = 0; j < MR * NV; j++) acc[j] = vfma(x, y, acc[j]);
        }
    }
    VEC sum = vzero();
    UNROLL for (int i = 0; i < MR * NV; i++) sum = vfma(x, acc[i], sum);
    float out[W];
    vstore(out, sum);
    volatile float sink = out[0];
    (void)sink;
    return (double)rounds * repeats * MR * NV * W * 2;
}

#define FILL_GEMM(table)                                 \
    do {                                                 \
        (table)->tile_rows = MR;                         \
        (table)->tile_columns = NR;                      \
        (table)->lanes = W;                              \
        (table)->pack_rows = pack_rows;                  \
        (table)->pack_columns = pack_columns;            \
        (table)->block = block;                          \
        (table)->block_rows = block_rows;                \
        (table)->thin = thin;                            \
        (table)->combine = combine;                      \
        (table)->multiply_add_burn = multiply_add_burn;  \
    } while (0)
