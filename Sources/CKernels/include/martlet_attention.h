// Attention of queries over a paged key/value cache, with online softmax: the length x length matrix never exists.
//
//     out[i] = sum_j p_ij v_j,   p_ij = exp(s_ij - m_i) / sum_j exp(s_ij - m_i),   s_ij = scale * q_i . k_j
//
// Source: Milakov and Gimelshein 2018 (online softmax); Dao et al. 2022 (FlashAttention); Kwon et al. 2023 (paging).
//
// The cache. A page holds MARTLET_PAGE_TOKENS consecutive tokens of one sequence; page 0 starts at position 0. For
// one key/value head a page of keys is [headDimension][MARTLET_PAGE_TOKENS] (transposed: neighbours are keys, so
// that the lanes of a vector are scores and every score is one chain of multiply-adds over the dimension), a page
// of values [MARTLET_PAGE_TOKENS][valueDimension]. Heads lie head_stride elements apart. Slots that were never
// written may hold anything: keys outside a query's range never reach its result.
//
// One order. Pages are visited in order of position with the same arithmetic for every query; the result of a query
// is the same bits whatever other queries are in the call, whichever thread, tile or instruction set computes it.
#pragma once
#include "martlet_cpu.h"

#define MARTLET_PAGE_TOKENS 64
#define MARTLET_LARGEST_HEAD_DIMENSION 576
/// "No limit" for keys_before and keys_after: 2^40, as a literal because Swift imports no 64-bit shift in a macro.
#define MARTLET_ALL_KEYS 1099511627776

/// Elements of one page of keys (or of values) of one key/value head.
#define MARTLET_PAGE_ELEMENTS(head_dimension) ((ptrdiff_t)(head_dimension)*MARTLET_PAGE_TOKENS)

/// Numbers of a head that share a scale in a quantised cache: all of a head of eight bits up to 64, else 64, 48 or 32 of
/// them; 32 with four bits. `dimension` is a multiple of 32.
static inline ptrdiff_t martlet_cache_run(int bits, ptrdiff_t dimension) {
    if (bits == 4) return 32;
    if (dimension <= 64) return dimension;
    return dimension % 64 == 0 ? 64 : dimension % 48 == 0 ? 48 : 32;
}

/// Bytes of a page of one head's keys, or of its values, in a quantised cache of eight or four bits. Keys of eight bits
/// have a ninth for every two numbers: what is lost of them weighs several times as much as what is lost of values.
static inline ptrdiff_t martlet_cache_page_bytes(int bits, bool keys, ptrdiff_t dimension) {
    const ptrdiff_t codes = dimension * MARTLET_PAGE_TOKENS * (2 * bits + (bits == 8 && keys ? 1 : 0)) / 16;
    return codes + dimension / martlet_cache_run(bits, dimension) * MARTLET_PAGE_TOKENS * 2;
}

/// Queries of one sequence in one layer.
typedef struct martlet_attention_arguments {
    /// [tokens][heads][headDimension], token t at queries + t * query_stride. The rows of a token are contiguous.
    const float *_Nonnull queries;
    float *_Nonnull output;
    ptrdiff_t query_stride, output_stride;
    /// One pointer per page; keys of head h in page i start at key_pages[i] + key_offset + h * key_head_stride, in
    /// elements of the cache's type. The offsets let one page hold all layers, keys and values.
    const void *_Nonnull const *_Nonnull key_pages;
    /// NULL where a value is the first value_dimension numbers of its key and not stored again (latent attention); of
    /// caches of float32 and half precision.
    const void *_Nonnull const *_Nullable value_pages;
    ptrdiff_t key_offset, value_offset;
    ptrdiff_t key_head_stride, value_head_stride;
    /// Query heads per key/value head: query head h reads key/value head h / group.
    ptrdiff_t group;
    /// Dimension of each head's queries and keys, and of its values and results: multiples of 8, at most
    /// MARTLET_LARGEST_HEAD_DIMENSION.
    ptrdiff_t head_dimension, value_dimension;
    /// Keys in the cache, including those of these queries.
    ptrdiff_t key_count;
    /// Position of query token 0; token t has position first_position + t.
    ptrdiff_t first_position;
    /// A query at position p sees keys max(0, p - keys_before) ... min(key_count - 1, p + keys_after).
    /// Causal: before = MARTLET_ALL_KEYS, after = 0. Sliding window of w tokens: before = w - 1, after = 0.
    /// Bidirectional: both MARTLET_ALL_KEYS. Every query must see at least one key, else its row is zero.
    ptrdiff_t keys_before, keys_after;
    /// Prefix language model: a query at a position below `prefix` sees keys 0 ... prefix - 1 instead. 0 for none.
    ptrdiff_t prefix;
    /// Or NULL: a byte for each query token and key of the cache, rows `seen_stride` bytes apart; of the keys above,
    /// query token t sees key j only where seen[t * seen_stride + j] is not 0. The values of keys that are not seen
    /// are multiplied by zero, so they must be finite.
    const unsigned char *_Nullable seen;
    ptrdiff_t seen_stride;
    float scale;
    /// Logit soft-capping: scores become cap * tanh(s / cap) if this is not 0 (Gemma 2).
    float soft_cap;
    /// Per query head, or NULL: adds slope * (key position - query position) to the score (ALiBi, Press et al. 2022).
    const float *_Nullable alibi_slopes;
    /// Per query head a row of 2 * relative_span + 1 numbers, or NULL: adds to each score the number of the distance
    /// key position - query position, limited to -relative_span ... relative_span (T5, Raffel et al. 2020).
    const float *_Nullable relative_bias;
    ptrdiff_t relative_span;
    /// Per query head, or NULL: a logit that takes part in the softmax and has no value (attention sink).
    const float *_Nullable sinks;
    /// Or NULL: takes log sum_j exp(s_ij) of every query, the sink included, which a gradient begins with; token t and
    /// query head h at log_sums[h * log_sum_stride + t].
    float *_Nullable log_sums;
    ptrdiff_t log_sum_stride;
} martlet_attention_arguments;

/// Key and value rows to append to the cache.
typedef struct martlet_append_arguments {
    /// [tokens][heads][headDimension], token t at keys + t * key_stride.
    const float *_Nonnull keys;
    const float *_Nonnull values;
    ptrdiff_t key_stride, value_stride;
    ptrdiff_t tokens, first_position;
    void *_Nonnull const *_Nonnull key_pages;
    /// NULL: values are parts of keys.
    void *_Nonnull const *_Nullable value_pages;
    ptrdiff_t key_offset, value_offset;
    ptrdiff_t key_head_stride, value_head_stride;
    ptrdiff_t head_dimension, value_dimension;
} martlet_append_arguments;

/// Computes rows row_begin ..< row_end of one key/value head. Row r is query token r / group and query head
/// kv_head * group + r % group, so a head has tokens * group rows, and any split into ranges gives the same bits.
typedef void (*martlet_attend)(const martlet_attention_arguments *_Nonnull arguments, ptrdiff_t kv_head,
                               ptrdiff_t row_begin, ptrdiff_t row_end);

/// Writes all tokens of heads head_begin ..< head_end; a half-precision cache rounds to nearest even.
typedef void (*martlet_append)(const martlet_append_arguments *_Nonnull arguments, ptrdiff_t head_begin,
                               ptrdiff_t head_end);

typedef struct martlet_attention_kernels {
    martlet_attend _Nonnull attend_f32;
    /// Over a cache of float32, with scores, weights and sums in float64.
    martlet_attend _Nonnull attend_wide;
    martlet_attend _Nonnull attend_f16;
    martlet_append _Nonnull append_f32;
    martlet_append _Nonnull append_f16;
    /// Caches of eight bits (8.5 of keys) and of four, with a scale for each run of a token's head (martlet_cache_run,
    /// kernels/attention_quantized.h): dimensions are multiples of 32, offsets and strides of heads are bytes.
    martlet_attend _Nonnull attend_q8;
    martlet_attend _Nonnull attend_q4;
    martlet_append _Nonnull append_q8;
    martlet_append _Nonnull append_q4;
} martlet_attention_kernels;
