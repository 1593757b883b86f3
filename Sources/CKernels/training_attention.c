// Attention over whole sequences and its gradient, in tiles of queries and blocks of keys: each thread holds the scores
// of one tile of queries, never the tokens x tokens matrix. All products use the matrix kernels, so every score and sum
// is one chain in ascending order.
//
// Source: Dao et al. 2022 (FlashAttention): the gradient recomputes the scores from their log-sums.
#include "include/CKernels.h"

#include <math.h>
#include <string.h>

/// Keys per block, a multiple of every panel's width. Small, because with causal attention half of a tile's last block
/// is computed in vain.
#define KEYS 48
/// Queries per tile: a multiple of the kernel's tile rows, about as many as keys per block.
static ptrdiff_t tile_of(const martlet_gemm_kernels *gemm) { return KEYS / gemm->tile_rows * gemm->tile_rows; }

static ptrdiff_t rounded(ptrdiff_t n, ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }
static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t greater(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

static const martlet_upcoming nothing_next = {0, 0, 0, 0};

#include "position_scores.h"

/// Offsets of the parts of the scratch memory, and the floats of a packed block of keys or values.
typedef struct layout {
    ptrdiff_t blocks, padded, tile, key_deep, key_wide, value_deep, value_wide;
    position_layout positions;
    float *scores, *probabilities, *gradients;
    /// A block of scores by queries as rows x queries panels.
    float *rows;
    /// Keys and values as depth x keys panels (for scores), and as keys x dimension panels (for sums).
    float *keys_deep, *values_deep, *keys_wide, *values_wide;
    /// A tile of queries, or of output gradients, as rows x dimension panels.
    float *queries_wide, *outputs_wide;
} layout;

static size_t lay_out(layout *at, const martlet_gemm_kernels *gemm, ptrdiff_t tokens, ptrdiff_t dimension,
                      ptrdiff_t value_dimension, ptrdiff_t buckets, bool gradient, float *base) {
    at->blocks = (tokens + KEYS - 1) / KEYS;
    at->padded = at->blocks * KEYS;
    at->tile = tile_of(gemm);
    at->key_deep = dimension * rounded(KEYS, gemm->lanes);
    at->key_wide = KEYS * rounded(dimension, gemm->lanes);
    at->value_deep = value_dimension * rounded(KEYS, gemm->lanes);
    at->value_wide = KEYS * rounded(value_dimension, gemm->lanes);
    ptrdiff_t strip = at->tile * at->padded, used = 0;
#define PLACE(name, count)                \
    do {                                  \
        at->name = base + used;           \
        used += rounded((count), 16);     \
    } while (0)
    PLACE(scores, strip);
    PLACE(keys_deep, at->blocks * at->key_deep);
    PLACE(values_wide, at->blocks * at->value_wide);
    if (buckets > 0) {
        PLACE(positions.keys_deep, dimension * rounded(buckets, gemm->lanes));
        PLACE(positions.queries_deep, dimension * rounded(buckets, gemm->lanes));
        PLACE(positions.of_queries, at->tile * buckets);
        PLACE(positions.of_keys, tokens * buckets);
    }
    if (buckets > 0 && gradient) {
        PLACE(positions.keys_wide, buckets * rounded(dimension, gemm->lanes));
        PLACE(positions.queries_wide, buckets * rounded(dimension, gemm->lanes));
        PLACE(positions.of_queries_gradient, at->tile * buckets);
        PLACE(positions.of_keys_gradient, tokens * buckets);
    }
    if (gradient) {
        PLACE(rows, rounded(KEYS, gemm->tile_rows) * KEYS);
        PLACE(probabilities, strip);
        PLACE(gradients, strip);
        PLACE(values_deep, at->blocks * at->value_deep);
        PLACE(keys_wide, at->blocks * at->key_wide);
        PLACE(queries_wide, at->tile * rounded(dimension, gemm->lanes));
        PLACE(outputs_wide, at->tile * rounded(value_dimension, gemm->lanes));
    }
#undef PLACE
    return (size_t)used * sizeof(float);
}

size_t martlet_sequence_attention_scratch(const martlet_gemm_kernels *gemm, ptrdiff_t tokens,
                                          ptrdiff_t head_dimension, ptrdiff_t value_dimension, ptrdiff_t bucket_count,
                                          bool gradient) {
    layout at;
    return lay_out(&at, gemm, tokens, head_dimension, value_dimension, bucket_count, gradient, NULL);
}

/// The range of whole blocks, from `low`, that contains all keys seen by any query of first ..< end.
static void visible(const martlet_sequence_attention *a, ptrdiff_t first, ptrdiff_t end, ptrdiff_t *low_block,
                    ptrdiff_t *end_block) {
    ptrdiff_t low = first < a->prefix ? 0 : greater(0, first - a->before), high = smaller(a->tokens, end + a->after);
    if (first < a->prefix) high = greater(high, a->prefix);
    *low_block = low / KEYS;
    *end_block = (high + KEYS - 1) / KEYS;
}

/// The keys that one query sees, relative to the first visible block.
static void range_of(const martlet_sequence_attention *a, ptrdiff_t query, ptrdiff_t offset, ptrdiff_t *low,
                     ptrdiff_t *high) {
    *low = (query < a->prefix ? 0 : greater(0, query - a->before)) - offset;
    *high = (query < a->prefix ? a->prefix : smaller(a->tokens, query + 1 + a->after)) - offset;
}

/// Which keys a query sees, by key of its visible blocks, or NULL.
static const unsigned char *seen_of(const martlet_sequence_attention *a, ptrdiff_t query, ptrdiff_t offset) {
    return a->seen ? a->seen + query * a->seen_stride + offset : NULL;
}

/// strip[rows x width] = x packed blocks, block by block.
static void multiply_blocks(const martlet_gemm_kernels *gemm, ptrdiff_t block_size, const float *x, ptrdiff_t x_stride,
                            ptrdiff_t rows, ptrdiff_t dimension, const float *deep, ptrdiff_t first, ptrdiff_t end,
                            ptrdiff_t tokens, float *strip, ptrdiff_t width) {
    for (ptrdiff_t block = first; block < end; block++) {
        ptrdiff_t columns = smaller(KEYS, tokens - block * KEYS);
        gemm->block_rows(rows, columns, dimension, x, x_stride, deep + block * block_size,
                         strip + (block - first) * KEYS, width, false, nothing_next);
    }
}

/// out[rows x dimension] (+)= strip x packed blocks.
static void sum_blocks(const martlet_gemm_kernels *gemm, ptrdiff_t block_size, const float *strip, ptrdiff_t width,
                       ptrdiff_t rows, ptrdiff_t dimension, const float *wide, ptrdiff_t first, ptrdiff_t end,
                       ptrdiff_t tokens, float *out, ptrdiff_t out_stride) {
    for (ptrdiff_t block = first; block < end; block++) {
        ptrdiff_t depth = smaller(KEYS, tokens - block * KEYS);
        gemm->block_rows(rows, dimension, depth, strip + (block - first) * KEYS, width, wide + block * block_size,
                         out, out_stride, block > first, nothing_next);
    }
}

/// gradient of the keys (or values) of each block += stripᵀ x the packed tile.
static void add_transposed(const martlet_gemm_kernels *gemm, const layout *at, const float *strip, ptrdiff_t width,
                           ptrdiff_t rows, ptrdiff_t dimension, const float *wide, ptrdiff_t first, ptrdiff_t end,
                           ptrdiff_t tokens, float *out, ptrdiff_t out_stride) {
    for (ptrdiff_t block = first; block < end; block++) {
        ptrdiff_t keys = smaller(KEYS, tokens - block * KEYS);
        gemm->pack_rows(strip + (block - first) * KEYS, 1, width, keys, rows, at->rows);
        gemm->block(keys, dimension, rows, at->rows, wide, out + block * KEYS * out_stride, out_stride, true, true,
                    nothing_next);
    }
}

/// Packs all blocks of x [tokens x dimension]: transposed (deep) or as it is (wide).
static void pack_blocks(const martlet_gemm_kernels *gemm, const layout *at, ptrdiff_t block_size, const float *x,
                        ptrdiff_t stride, ptrdiff_t tokens, ptrdiff_t dimension, bool deep, float *packed) {
    for (ptrdiff_t block = 0; block < at->blocks; block++) {
        ptrdiff_t keys = smaller(KEYS, tokens - block * KEYS);
        const float *from = x + block * KEYS * stride;
        if (deep) gemm->pack_columns(from, 1, stride, keys, dimension, packed + block * block_size);
        else gemm->pack_columns(from, stride, 1, dimension, keys, packed + block * block_size);
    }
}

/// SplitMix64's bit mixer. Source: Steele, Lea and Flood 2014 (SplitMix), constants by Stafford (mix 13).
static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// Applies dropout to a query's probabilities or their gradients, and scales the rest. One draw serves four keys.
static void drop(const martlet_sequence_attention *a, float *row, ptrdiff_t head, ptrdiff_t query, ptrdiff_t low,
                 ptrdiff_t high, ptrdiff_t offset) {
    const uint64_t odd = 0x9e3779b97f4a7c15;
    const uint64_t start = mixed(a->dropout_key + mixed((a->first_token + (uint64_t)query) * odd) + (uint64_t)head);
    low = greater(low, 0);
    for (ptrdiff_t key = low; key < high;) {
        ptrdiff_t place = key + offset, end = smaller(high, (place / 4 + 1) * 4 - offset);
        uint64_t word = mixed(start + (uint64_t)(place / 4 + 1) * odd) >> 16 * (place % 4);
        for (; key < end; key++, word >>= 16) {
            row[key] = (word & 0xffff) < a->dropped ? 0 : row[key] * a->kept_scale;
        }
    }
}

/// Adds a sink to the softmax: returns the new log-sum and scales the probabilities down accordingly.
static float with_sink(float *row, ptrdiff_t low, ptrdiff_t high, float log_sum, float sink) {
    const float largest = log_sum > sink ? log_sum : sink;
    const float total = largest + logf(expf(log_sum - largest) + expf(sink - largest)), kept = expf(log_sum - total);
    for (ptrdiff_t key = greater(low, 0); key < high; key++) row[key] *= kept;
    return total;
}

void martlet_sequence_attend(const martlet_gemm_kernels *gemm, const martlet_training_kernels *training,
                             const martlet_sequence_attention *a, ptrdiff_t kv_head, void *scratch) {
    const ptrdiff_t dimension = a->head_dimension, wide = a->value_dimension, tokens = a->tokens;
    layout at;
    lay_out(&at, gemm, tokens, dimension, wide, a->bucket_count, false, scratch);
    pack_blocks(gemm, &at, at.key_deep, a->keys + kv_head * dimension, a->key_stride, tokens, dimension, true,
                at.keys_deep);
    pack_blocks(gemm, &at, at.value_wide, a->values + kv_head * wide, a->value_stride, tokens, wide, false,
                at.values_wide);
    for (ptrdiff_t head = kv_head * a->group; head < (kv_head + 1) * a->group; head++) {
        begin_positions(gemm, a, &at.positions, head);
        for (ptrdiff_t first = 0; first < a->query_tokens; first += at.tile) {
            ptrdiff_t rows = smaller(at.tile, a->query_tokens - first), low_block, end_block;
            visible(a, first, first + rows, &low_block, &end_block);
            const ptrdiff_t width = (end_block - low_block) * KEYS;
            multiply_blocks(gemm, at.key_deep, a->queries + first * a->query_stride + head * dimension,
                            a->query_stride, rows, dimension, at.keys_deep, low_block, end_block, tokens, at.scores,
                            width);
            add_positions(gemm, a, &at.positions, head, first, rows, low_block * KEYS, width, at.scores);
            for (ptrdiff_t row = 0; row < rows; row++) {
                ptrdiff_t low, high;
                range_of(a, first + row, low_block * KEYS, &low, &high);
                float log_sum = training->attention_softmax(at.scores + row * width, low, high, width, a->scale,
                                                            a->soft_cap, seen_of(a, first + row, low_block * KEYS));
                if (a->sinks) log_sum = with_sink(at.scores + row * width, low, high, log_sum, a->sinks[head]);
                if (a->log_sums) a->log_sums[head * a->log_sum_stride + first + row] = log_sum;
                if (a->dropped) drop(a, at.scores + row * width, head, first + row, low, high, low_block * KEYS);
            }
            sum_blocks(gemm, at.value_wide, at.scores, width, rows, wide, at.values_wide, low_block, end_block, tokens,
                       a->output + first * a->output_stride + head * wide, a->output_stride);
        }
    }
}

void martlet_sequence_attend_gradient(const martlet_gemm_kernels *gemm, const martlet_training_kernels *training,
                                      const martlet_sequence_attention *a, ptrdiff_t kv_head, void *scratch) {
    const ptrdiff_t dimension = a->head_dimension, wide = a->value_dimension, tokens = a->tokens;
    layout at;
    lay_out(&at, gemm, tokens, dimension, wide, a->bucket_count, true, scratch);
    const float *keys = a->keys + kv_head * dimension, *values = a->values + kv_head * wide;
    pack_blocks(gemm, &at, at.key_deep, keys, a->key_stride, tokens, dimension, true, at.keys_deep);
    pack_blocks(gemm, &at, at.key_wide, keys, a->key_stride, tokens, dimension, false, at.keys_wide);
    pack_blocks(gemm, &at, at.value_deep, values, a->value_stride, tokens, wide, true, at.values_deep);
    float *key_gradient = a->key_gradient + kv_head * dimension;
    float *value_gradient = a->value_gradient + kv_head * wide;
    for (ptrdiff_t token = 0; token < tokens; token++) {
        memset(key_gradient + token * a->key_stride, 0, (size_t)dimension * sizeof(float));
        memset(value_gradient + token * a->value_stride, 0, (size_t)wide * sizeof(float));
    }
    for (ptrdiff_t head = kv_head * a->group; head < (kv_head + 1) * a->group; head++) {
        begin_positions(gemm, a, &at.positions, head);
        begin_position_gradients(gemm, a, &at.positions, head);
        for (ptrdiff_t first = 0; first < a->query_tokens; first += at.tile) {
            ptrdiff_t rows = smaller(at.tile, a->query_tokens - first), low_block, end_block;
            visible(a, first, first + rows, &low_block, &end_block);
            const ptrdiff_t width = (end_block - low_block) * KEYS;
            const ptrdiff_t offset = first * a->query_stride + head * dimension;
            const ptrdiff_t result = first * a->output_stride + head * wide;
            const float *output_gradient = a->output_gradient + result;
            multiply_blocks(gemm, at.key_deep, a->queries + offset, a->query_stride, rows, dimension, at.keys_deep,
                            low_block, end_block, tokens, at.scores, width);
            add_positions(gemm, a, &at.positions, head, first, rows, low_block * KEYS, width, at.scores);
            multiply_blocks(gemm, at.value_deep, output_gradient, a->output_stride, rows, wide, at.values_deep,
                            low_block, end_block, tokens, at.gradients, width);
            for (ptrdiff_t row = 0; row < rows; row++) {
                ptrdiff_t low, high;
                range_of(a, first + row, low_block * KEYS, &low, &high);
                float *scores = at.scores + row * width, *p = at.probabilities + row * width;
                training->attention_probabilities(scores, p, a->log_sums[head * a->log_sum_stride + first + row], low,
                                                  high, width, a->scale, a->soft_cap);
                const unsigned char *seen = seen_of(a, first + row, low_block * KEYS);
                for (ptrdiff_t key = greater(low, 0); seen && key < high; key++) {
                    if (!seen[key]) p[key] = 0;
                }
                // Dropped probabilities have no gradient. With dropout factors d, O = (d p) V, so the sum of p (d dP)
                // in the softmax's gradient still equals the sum of dO O.
                if (a->dropped) drop(a, at.gradients + row * width, head, first + row, low, high, low_block * KEYS);
                // delta = sum of dO O over the head.
                const float *o = a->output + result + row * a->output_stride;
                const float *d = output_gradient + row * a->output_stride;
                const float delta = training->dot(o, d, wide);
                training->attention_score_gradient(p, at.gradients + row * width, scores, delta, low, high, width);
                if (a->dropped) drop(a, p, head, first + row, low, high, low_block * KEYS);
            }
            sum_blocks(gemm, at.key_wide, at.gradients, width, rows, dimension, at.keys_wide, low_block, end_block,
                       tokens, a->query_gradient + offset, a->query_stride);
            gemm->pack_columns(a->queries + offset, a->query_stride, 1, dimension, rows, at.queries_wide);
            gemm->pack_columns(output_gradient, a->output_stride, 1, wide, rows, at.outputs_wide);
            add_transposed(gemm, &at, at.gradients, width, rows, dimension, at.queries_wide, low_block, end_block,
                           tokens, key_gradient, a->key_stride);
            add_transposed(gemm, &at, at.probabilities, width, rows, wide, at.outputs_wide, low_block, end_block,
                           tokens, value_gradient, a->value_stride);
            take_position_gradients(gemm, a, &at.positions, head, first, rows, low_block * KEYS, width, at.gradients,
                                    at.queries_wide, at.rows);
        }
        end_position_gradients(gemm, a, &at.positions, head, at.keys_wide, at.key_wide, at.rows);
    }
}
