// Kernels of training: gradients of what martlet_vector.h computes forward, the loss, and attention over whole
// sequences with its gradient.
// As in martlet_vector.h, every result has the same bits on every instruction set, and the result of a row depends only
// on that row.
#pragma once
#include "martlet_cpu.h"
#include "martlet_gemm.h"

/// dx (+)= dy f'(x)
typedef void (*martlet_unary_gradient)(const float *_Nonnull x, const float *_Nonnull dy, float *_Nonnull dx,
                                       bool accumulate, ptrdiff_t count);
/// Of out = f(gate) up: dgate = dout up f'(gate), dup = dout f(gate). dgate and dup may be gate and up.
typedef void (*martlet_gated_gradient)(const float *_Nonnull gate, const float *_Nonnull up,
                                       const float *_Nonnull dout, float *_Nonnull dgate, float *_Nonnull dup,
                                       ptrdiff_t count);

/// The hyperparameters of one optimiser step; each kernel states which of them it reads.
typedef struct martlet_optimizer_step {
    float learning_rate, beta1, beta2, epsilon;
    /// Decoupled decay: the parameters are reduced by learning_rate weight_decay w. Coupled decay: added to the
    /// gradient.
    float weight_decay, coupled_decay;
    /// 1 - beta1^t and 1 - beta2^t.
    float correction1, correction2;
    /// The factor on the gradient: 1, or the factor of gradient clipping.
    float gradient_scale;
    /// Nesterov momentum (Nesterov 1983).
    bool nesterov;
} martlet_optimizer_step;

typedef struct martlet_training_kernels {
    /// Of y = x r (weight + offset), r = 1 / sqrt(mean(x^2) + epsilon), for contiguous rows of `count`:
    ///     dx (+)= r (g - x r^2 mean(g x)), g = dy (weight + offset);   dweight += sum over rows of dy x r.
    /// dweight may be NULL.
    void (*_Nonnull rms_norm_gradient)(const float *_Nonnull x, const float *_Nonnull dy,
                                       const float *_Nullable weight, float offset, float epsilon,
                                       float *_Nonnull dx, bool accumulate, float *_Nullable dweight, ptrdiff_t rows,
                                       ptrdiff_t count);
    /// Of y = z weight + bias, z = (x - mean) r: dx (+)= r (g - mean(g) - z mean(g z)), g = dy weight;
    /// dweight += sum of dy z, dbias += sum of dy. dweight and dbias may be NULL.
    void (*_Nonnull layer_norm_gradient)(const float *_Nonnull x, const float *_Nonnull dy,
                                         const float *_Nullable weight, float epsilon, float *_Nonnull dx,
                                         bool accumulate, float *_Nullable dweight, float *_Nullable dbias,
                                         ptrdiff_t rows, ptrdiff_t count);

    martlet_unary_gradient _Nonnull silu_gradient, gelu_gradient, gelu_tanh_gradient, relu_gradient;
    martlet_gated_gradient _Nonnull swiglu_gradient, geglu_gradient, geglu_tanh_gradient;

    /// Of a row of logits z: the log-partition log(sum(exp(z))) is returned, and with `gradient` the row becomes
    ///     scale (softmax(z) (1 + 2 z_loss log-partition) - (1 - smoothing) [i = target] - smoothing / count).
    float (*_Nonnull cross_entropy)(float *_Nonnull logits, ptrdiff_t target, float smoothing, float z_loss,
                                    float scale, bool gradient, ptrdiff_t count);

    /// Scores of one query: s[low ..< high] becomes exp(scale s - m) / sum, the rest of 0 ..< count zero; returns
    /// log(sum(exp(scale s))). With a soft cap scale s becomes cap tanh(scale s / cap) first. Where `seen` is given,
    /// keys of low ..< high whose byte seen[key] is 0 get probability zero; at least one of them is seen.
    float (*_Nonnull attention_softmax)(float *_Nonnull s, ptrdiff_t low, ptrdiff_t high, ptrdiff_t count,
                                        float scale, float soft_cap, const unsigned char *_Nullable seen);
    /// The same probabilities, recomputed from a known log-sum, into p; s becomes the derivative of the capped score
    /// (times scale), which is `scale` itself without a cap.
    void (*_Nonnull attention_probabilities)(float *_Nonnull s, float *_Nonnull p, float log_sum, ptrdiff_t low,
                                             ptrdiff_t high, ptrdiff_t count, float scale, float soft_cap);
    /// ds = p (dp - delta) slope on low ..< high, zero elsewhere, in place of dp.
    void (*_Nonnull attention_score_gradient)(const float *_Nonnull p, float *_Nonnull dp,
                                              const float *_Nonnull slope, float delta, ptrdiff_t low,
                                              ptrdiff_t high, ptrdiff_t count);

    /// sum(a b)
    float (*_Nonnull dot)(const float *_Nonnull a, const float *_Nonnull b, ptrdiff_t count);

    // Optimisers, each one pass over memory. Below g stands for gradient_scale g + coupled_decay w, and a step for
    // w = w (1 - learning_rate weight_decay) - learning_rate (...).

    /// m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, step by (m / c1) / (sqrt(v / c2) + epsilon).
    void (*_Nonnull adamw)(float *_Nonnull w, const float *_Nonnull g, float *_Nonnull m, float *_Nonnull v,
                           const martlet_optimizer_step *_Nonnull step, ptrdiff_t count);
    /// m = b1 m + g, step by m, or by g + b1 m with nesterov. Without m, step by g.
    void (*_Nonnull sgd)(float *_Nonnull w, const float *_Nonnull g, float *_Nullable m,
                         const martlet_optimizer_step *_Nonnull step, ptrdiff_t count);
    /// v = b2 v + (1 - b2) g^2, u = g / (sqrt(v) + epsilon), m = b1 m + u, step by m; without m, step by u.
    void (*_Nonnull rmsprop)(float *_Nonnull w, const float *_Nonnull g, float *_Nonnull v, float *_Nullable m,
                             const martlet_optimizer_step *_Nonnull step, ptrdiff_t count);
    /// Step by sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g.
    void (*_Nonnull lion)(float *_Nonnull w, const float *_Nonnull g, float *_Nonnull m,
                          const martlet_optimizer_step *_Nonnull step, ptrdiff_t count);
    /// m = b1 m + (1 - b1) g, u = m, or (1 - b1) g + b1 m with nesterov. Reads no w.
    void (*_Nonnull momentum)(const float *_Nonnull g, float *_Nonnull m, float *_Nonnull u,
                              const martlet_optimizer_step *_Nonnull step, ptrdiff_t count);
    /// a += weight (b - a)
    void (*_Nonnull move_toward)(float *_Nonnull a, const float *_Nonnull b, float weight, ptrdiff_t count);
    /// a += weight ((scale g)^2 - a)
    void (*_Nonnull move_toward_square)(float *_Nonnull a, const float *_Nonnull g, float scale, float weight,
                                        ptrdiff_t count);
    /// columns += (scale g)^2, and the sum of (scale g)^2 is returned.
    float (*_Nonnull add_squares)(const float *_Nonnull g, float scale, float *_Nonnull columns, ptrdiff_t count);
    /// The sum of u^2 for u = scale g / sqrt(max(row columns, floor)).
    float (*_Nonnull factored_norm)(const float *_Nonnull g, float scale, float row, const float *_Nonnull columns,
                                    float floor, ptrdiff_t count);
    /// w = w keep - rate u, u as above.
    void (*_Nonnull factored_step)(float *_Nonnull w, const float *_Nonnull g, float scale, float row,
                                   const float *_Nonnull columns, float floor, float keep, float rate,
                                   ptrdiff_t count);
} martlet_training_kernels;

/// Attention over whole sequences in training. Rows are tokens, `*_stride` floats apart; a head is `head_dimension` contiguous floats.
typedef struct martlet_sequence_attention {
    const float *_Nonnull queries;
    const float *_Nonnull keys;
    const float *_Nonnull values;
    ptrdiff_t query_stride, key_stride, value_stride;
    /// Number of keys, and of queries: equal in self-attention, any number in cross-attention.
    ptrdiff_t tokens, query_tokens;
    /// Dimension of each head's queries and keys, and of its values and results.
    ptrdiff_t head_dimension, value_dimension;
    /// Query heads per key/value head.
    ptrdiff_t group;
    /// A query at i sees keys max(0, i - before) ... min(tokens - 1, i + after); below `prefix` it sees keys 0 ... prefix
    /// - 1 instead. 2^40 stands for all keys.
    ptrdiff_t before, after, prefix;
    /// Or NULL: of these keys it sees key j only where seen[i * seen_stride + j] is not 0; every query sees one.
    const unsigned char *_Nullable seen;
    ptrdiff_t seen_stride;
    float scale, soft_cap;
    /// The position terms of disentangled attention, or NULL: vectors of the buckets of distances, rows `position_stride`
    /// floats apart, of which this sequence reaches `bucket_count` from `first_bucket` on; the pointers are at the first
    /// of these. `buckets` is at distance 0: buckets[i - j] is the bucket of query i and key j. To a score is added, before
    /// `scale`, q_i . position_keys[bucket] + k_j . position_queries[bucket]. Queries are the keys' tokens, and `group` is 1.
    const float *_Nullable position_keys;
    const float *_Nullable position_queries;
    const int32_t *_Nullable buckets;
    ptrdiff_t position_stride, first_bucket, bucket_count;
    /// Per query head, or NULL: a logit that takes part in the softmax and has no value (attention sink).
    const float *_Nullable sinks;
    /// Dropout: a probability whose 16-bit draw is below `dropped` becomes 0, the others are multiplied by
    /// `kept_scale`. A draw is a function of the key below, the query's index, the head and the key's position, so the
    /// gradient can draw it again. 0 means no dropout.
    uint32_t dropped;
    float kept_scale;
    uint64_t dropout_key;
    /// The index of the sequence's first token within everything the dropout key is used for.
    uint64_t first_token;
    /// The result, rows `output_stride` floats apart, and log(sum(exp(scores))), including the sink, as
    /// [heads][log_sum_stride].
    float *_Nonnull output;
    ptrdiff_t output_stride;
    float *_Nullable log_sums;
    ptrdiff_t log_sum_stride;
    // Only for the gradient: gradients of the output, queries, keys and values, each with the layout of its tensor.
    const float *_Nullable output_gradient;
    float *_Nullable query_gradient;
    float *_Nullable key_gradient;
    float *_Nullable value_gradient;
    /// Of the vectors of buckets, where there are some. These are added to, since sequences share them.
    float *_Nullable position_key_gradient;
    float *_Nullable position_query_gradient;
} martlet_sequence_attention;

/// Bytes of scratch memory, aligned to 64, for one head of a sequence.
/// `bucket_count` is that of the position terms, 0 without them.
size_t martlet_sequence_attention_scratch(const martlet_gemm_kernels *_Nonnull gemm, ptrdiff_t tokens,
                                          ptrdiff_t head_dimension, ptrdiff_t value_dimension, ptrdiff_t bucket_count,
                                          bool gradient);
/// Forward pass of all query heads of one key/value head. `gemm` and `training` belong to the same instruction set.
void martlet_sequence_attend(const martlet_gemm_kernels *_Nonnull gemm,
                             const martlet_training_kernels *_Nonnull training,
                             const martlet_sequence_attention *_Nonnull arguments, ptrdiff_t kv_head,
                             void *_Nonnull scratch);
/// Writes the gradients of one key/value head and its query heads (without accumulating, but for those of buckets).
void martlet_sequence_attend_gradient(const martlet_gemm_kernels *_Nonnull gemm,
                                      const martlet_training_kernels *_Nonnull training,
                                      const martlet_sequence_attention *_Nonnull arguments, ptrdiff_t kv_head,
                                      void *_Nonnull scratch);
