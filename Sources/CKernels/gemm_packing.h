// Packs operands into panels. Included once per instruction set by gemm_kernel.h, whose vector macros it uses.

/// Rows of k that are copied side by side: more would conflict in one set of the level 1 cache when the stride is a
/// power of two, fewer would give the prefetchers too few streams.
#define COPY_DEPTH 8
/// Prefetch distances, in rows of k and in floats: rows of large matrices are on different pages, where the hardware
/// prefetchers start again.
#define ROWS_AHEAD 24
#define FLOATS_AHEAD 64

static void pack_rows(const float *a, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t rows, ptrdiff_t depth,
                      float *packed) {
    if (depth_stride == 1) {
        for (ptrdiff_t i = 0; i < rows; i += MR, packed += MR * depth) {
            const float *from = a + i * row_stride;
            int there = rows - i < MR ? (int)(rows - i) : MR;
            ptrdiff_t k = 0;
            if (there == MR) {
                for (; k + PK <= depth; k += PK) pack_patch(from + k, row_stride, MR, packed + k * MR);
            } else {
                for (; k + PK <= depth; k += PK) pack_patch(from + k, row_stride, there, packed + k * MR);
            }
            for (; k < depth; k++) {
                for (int r = 0; r < MR; r++) packed[k * MR + r] = r < there ? from[r * row_stride + k] : 0;
            }
        }
        return;
    }
    // A column of A is contiguous: row_stride is 1.
    for (ptrdiff_t first = 0; first < depth; first += COPY_DEPTH) {
        ptrdiff_t end = first + COPY_DEPTH < depth ? first + COPY_DEPTH : depth;
        for (ptrdiff_t i = 0; i < rows; i += MR) {
            for (ptrdiff_t k = first; k < end; k++) {
                const float *from = a + k * depth_stride + i;
                float *to = packed + i * depth + k * MR;
                __builtin_prefetch(from + ROWS_AHEAD * depth_stride);
                if (rows - i >= MR) {
                    __builtin_memcpy(to, from, MR * sizeof *to);
                } else {
                    for (int r = 0; r < MR; r++) to[r] = r < rows - i ? from[r] : 0;
                }
            }
        }
    }
}

/// Packs `width` columns that are contiguous along k into a panel with `stride` floats per k.
INLINE void pack_slab(const float *b, ptrdiff_t column_stride, int width, ptrdiff_t stride, ptrdiff_t depth,
                      float *packed) {
    for (ptrdiff_t k = 0; k < depth; k += W) {
        int there = depth - k < W ? (int)(depth - k) : W;
        VEC square[W];
        UNROLL for (int r = 0; r < W; r++) {
            __builtin_prefetch(b + (r < width ? r : 0) * column_stride + k + FLOATS_AHEAD);
            square[r] = r >= width ? vzero()
                : there == W       ? vload(b + r * column_stride + k)
                                   : vload_part(b + r * column_stride + k, there);
        }
        transpose(square);
        UNROLL for (int x = 0; x < W; x++) {
            if (x >= there) break;
            vstore(packed + (k + x) * stride, square[x]);
        }
    }
}

/// Packs rows first ..< end of k, contiguous along n, into a panel of V vectors.
INLINE void copy_panel(const int V, const float *b, ptrdiff_t depth_stride, ptrdiff_t first, ptrdiff_t end, int last,
                       float *packed) {
    for (ptrdiff_t k = first; k < end; k++) {
        const float *from = b + k * depth_stride;
        float *to = packed + k * V * W;
        UNROLL for (int v = 0; v < V; v++) {
            __builtin_prefetch(from + ROWS_AHEAD * depth_stride + v * W);
            vstore(to + v * W, v + 1 < V || last == W ? vload(from + v * W) : vload_part(from + v * W, last));
        }
    }
}

static void pack_columns(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, ptrdiff_t columns,
                         ptrdiff_t depth, float *packed) {
    if (depth_stride == 1) {
        for (ptrdiff_t j = 0; j < columns;) {
            int vectors = panel_vectors(columns - j);
            for (int v = 0; v < vectors; v++) {
                ptrdiff_t left = columns - j - v * W;
                const float *from = b + (j + v * W) * column_stride;
                if (left >= W) pack_slab(from, column_stride, W, vectors * W, depth, packed + v * W);
                else pack_slab(from, column_stride, (int)left, vectors * W, depth, packed + v * W);
            }
            packed += vectors * W * depth;
            j += vectors * W;
        }
        return;
    }
    for (ptrdiff_t first = 0; first < depth; first += COPY_DEPTH) {
        ptrdiff_t end = first + COPY_DEPTH < depth ? first + COPY_DEPTH : depth;
        float *panel = packed;
        for (ptrdiff_t j = 0; j < columns;) {
            int vectors = panel_vectors(columns - j);
            ptrdiff_t left = columns - j - (vectors - 1) * W;
            int last = left < W ? (int)left : W;
            switch (vectors) {
            case 1: copy_panel(1, b + j, depth_stride, first, end, last, panel); break;
            case 2: copy_panel(2, b + j, depth_stride, first, end, last, panel); break;
            default: copy_panel(NV, b + j, depth_stride, first, end, last, panel); break;
            }
            panel += vectors * W * depth;
            j += vectors * W;
        }
    }
}
