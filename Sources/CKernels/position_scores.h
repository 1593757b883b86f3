// The position terms of disentangled attention (He et al. 2021, DeBERTa) for one head of one sequence:
//     score(i, j) += q_i . K[b(i - j)] + k_j . Q[b(i - j)],
// K and Q the vectors of the buckets b of distances. Included by training_attention.c. The products of all tokens with all
// buckets are computed by the matrix kernels, those of queries a tile at a time, and scores pick theirs from them.

/// Parts of the scratch memory.
typedef struct position_layout {
    /// K and Q as depth x buckets panels (for scores), and as buckets x dimension panels (for gradients).
    float *keys_deep, *queries_deep, *keys_wide, *queries_wide;
    /// q . K of a tile of queries, and k . Q of all keys, by bucket; their gradients.
    float *of_queries, *of_keys, *of_queries_gradient, *of_keys_gradient;
} position_layout;

static void begin_positions(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a,
                            const position_layout *at, ptrdiff_t head) {
    const ptrdiff_t size = a->head_dimension, count = a->bucket_count;
    if (a->position_keys) {
        gemm->pack_columns(a->position_keys + head * size, 1, a->position_stride, count, size, at->keys_deep);
    }
    if (a->position_queries) {
        gemm->pack_columns(a->position_queries + head * size, 1, a->position_stride, count, size, at->queries_deep);
        gemm->block_rows(a->tokens, count, size, a->keys + head * size, a->key_stride, at->queries_deep, at->of_keys,
                         count, false, nothing_next);
    }
}

/// Adds the terms to the scores of `rows` queries from `first` on and `width` keys from `offset` on.
static void add_positions(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a,
                          const position_layout *at, ptrdiff_t head, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t offset,
                          ptrdiff_t width, float *scores) {
    const ptrdiff_t size = a->head_dimension, count = a->bucket_count, keys = smaller(width, a->tokens - offset);
    if (a->position_keys) {
        gemm->block_rows(rows, count, size, a->queries + first * a->query_stride + head * size, a->query_stride,
                         at->keys_deep, at->of_queries, count, false, nothing_next);
        for (ptrdiff_t row = 0; row < rows; row++) {
            const float *own = at->of_queries + row * count;
            const int32_t *bucket = a->buckets + (first + row - offset);
            float *score = scores + row * width;
            for (ptrdiff_t key = 0; key < keys; key++) score[key] += own[bucket[-key] - a->first_bucket];
        }
    }
    if (a->position_queries) {
        for (ptrdiff_t key = 0; key < keys; key++) {
            const float *own = at->of_keys + (offset + key) * count;
            const int32_t *bucket = a->buckets + (first - offset - key);
            for (ptrdiff_t row = 0; row < rows; row++) {
                scores[row * width + key] += own[bucket[row] - a->first_bucket];
            }
        }
    }
}

static void begin_position_gradients(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a,
                                     const position_layout *at, ptrdiff_t head) {
    const ptrdiff_t size = a->head_dimension, count = a->bucket_count;
    if (a->position_keys) {
        gemm->pack_columns(a->position_keys + head * size, a->position_stride, 1, size, count, at->keys_wide);
    }
    if (a->position_queries) {
        gemm->pack_columns(a->position_queries + head * size, a->position_stride, 1, size, count, at->queries_wide);
        memset(at->of_keys_gradient, 0, (size_t)(a->tokens * count) * sizeof(float));
    }
}

/// The gradient of the buckets' vectors += xᵀ y for the gradient x [tokens x buckets] of products with tokens y, which are
/// packed as tokens x dimension panels.
static void add_bucket_gradients(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a, const float *x,
                                 ptrdiff_t tokens, const float *packed, ptrdiff_t head, float *gradient, float *scratch) {
    for (ptrdiff_t first = 0; first < a->bucket_count; first += KEYS) {
        ptrdiff_t buckets = smaller(KEYS, a->bucket_count - first);
        gemm->pack_rows(x + first, 1, a->bucket_count, buckets, tokens, scratch);
        gemm->block(buckets, a->head_dimension, tokens, scratch, packed,
                    gradient + first * a->position_stride + head * a->head_dimension, a->position_stride, true, true,
                    nothing_next);
    }
}

/// From the gradients of the scores of a tile: those of the tile's queries (added to) and of the keys' buckets, and what the
/// tile's queries give the gradients of keys.
static void take_position_gradients(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a,
                                    const position_layout *at, ptrdiff_t head, ptrdiff_t first, ptrdiff_t rows,
                                    ptrdiff_t offset, ptrdiff_t width, const float *gradients,
                                    const float *packed_queries, float *scratch) {
    const ptrdiff_t size = a->head_dimension, count = a->bucket_count, keys = smaller(width, a->tokens - offset);
    if (a->position_keys) {
        memset(at->of_queries_gradient, 0, (size_t)(rows * count) * sizeof(float));
        for (ptrdiff_t row = 0; row < rows; row++) {
            float *own = at->of_queries_gradient + row * count;
            const int32_t *bucket = a->buckets + (first + row - offset);
            for (ptrdiff_t key = 0; key < keys; key++) own[bucket[-key] - a->first_bucket] += gradients[row * width + key];
        }
        gemm->block_rows(rows, size, count, at->of_queries_gradient, count, at->keys_wide,
                         a->query_gradient + first * a->query_stride + head * size, a->query_stride, true, nothing_next);
        add_bucket_gradients(gemm, a, at->of_queries_gradient, rows, packed_queries, head, a->position_key_gradient,
                             scratch);
    }
    if (a->position_queries) {
        for (ptrdiff_t key = 0; key < keys; key++) {
            float *own = at->of_keys_gradient + (offset + key) * count;
            const int32_t *bucket = a->buckets + (first - offset - key);
            for (ptrdiff_t row = 0; row < rows; row++) own[bucket[row] - a->first_bucket] += gradients[row * width + key];
        }
    }
}

/// The gradients that the position queries give the keys, and get from them, once all queries are through.
static void end_position_gradients(const martlet_gemm_kernels *gemm, const martlet_sequence_attention *a,
                                   const position_layout *at, ptrdiff_t head, const float *packed_keys,
                                   ptrdiff_t block_size, float *scratch) {
    if (!a->position_queries) return;
    const ptrdiff_t size = a->head_dimension, count = a->bucket_count;
    gemm->block_rows(a->tokens, size, count, at->of_keys_gradient, count, at->queries_wide,
                     a->key_gradient + head * size, a->key_stride, true, nothing_next);
    for (ptrdiff_t start = 0; start < a->tokens; start += KEYS) {
        add_bucket_gradients(gemm, a, at->of_keys_gradient + start * count, smaller(KEYS, a->tokens - start),
                             packed_keys + start / KEYS * block_size, head, a->position_query_gradient, scratch);
    }
}
