// Kernels over vectors and rows: norms, softmax, rotary positions, activations, elementwise, reductions, conversions,
// low-rank terms.
//
// All kernels are single-threaded; a caller divides rows (or, for elementwise kernels, any range) among threads. Every
// result has the same bits on every instruction set, whatever else is in the call. A sum over a row uses 64 partial
// sums (element i is added to sum i % 64) that are combined in a fixed tree.
// `out` may be the same pointer as an input; otherwise they must not overlap. Strides are in elements.
// exp, log, tanh, erf and the functions composed of them have an error of a few units in the last place (see
// functions.h).
#pragma once
#include "martlet_cpu.h"

/// out[i] = f(x[i])
typedef void (*martlet_unary)(const float *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
/// out[i] = f(a[i], b[i])
typedef void (*martlet_binary)(const float *_Nonnull a, const float *_Nonnull b, float *_Nonnull out, ptrdiff_t count);
/// out[i] = f(x[i], s)
typedef void (*martlet_scalar)(const float *_Nonnull x, float s, float *_Nonnull out, ptrdiff_t count);
typedef float (*martlet_reduction)(const float *_Nonnull x, ptrdiff_t count);

/// out[r][i] = f(gate[r][i]) * up[r][i]; gate and up may be halves of one row (strides of the whole row).
typedef void (*martlet_gated)(const float *_Nonnull gate, ptrdiff_t gate_stride, const float *_Nonnull up,
                              ptrdiff_t up_stride, float *_Nonnull out, ptrdiff_t out_stride, ptrdiff_t rows,
                              ptrdiff_t count);

/// Rotates pairs in place by the angle of their position. x: [tokens][heads][head_dimension], token t at x + t *
/// token_stride; the first rotary_dimension elements of a head are rotated, the rest do not change.
/// cosines, sines: [positions][rotary_dimension / 2]; token t uses row positions[t], or row t where that is NULL.
/// Source: Su et al. 2021 (RoPE).
typedef void (*martlet_rope)(float *_Nonnull x, ptrdiff_t token_stride, ptrdiff_t tokens, ptrdiff_t heads,
                             ptrdiff_t head_dimension, ptrdiff_t rotary_dimension, const float *_Nonnull cosines,
                             const float *_Nonnull sines, const int32_t *_Nullable positions);

/// y += s (x Aᵀ) Bᵀ for rows x [rows][inputs] and y [rows][outputs] (LoRA, Hu et al. 2021). A lies as [inputs][rank], B as
/// [ceil(outputs / 16)][rank][16] with zeros in the columns that are missing; behind A there are at least 16 readable
/// elements (B may follow it). Every element of x Aᵀ, and then of y, is one chain of multiply-adds in ascending order.
/// `inner` has room for 8 rows of the rank, rounded up to 16.
///
/// Of codes, A and B begin with a float32 scale for each row of A (of the rank) and of B (of the outputs), rounded up to 16
/// with zeros: code times scale is the number. Chains are over codes: those of x Aᵀ are multiplied by s times the scale,
/// those of B begin at 0 and are added to y with theirs, in one multiply-add.
typedef void (*martlet_low_rank)(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t rank, ptrdiff_t outputs, float s,
                                 const float *_Nonnull x, const void *_Nonnull a, const void *_Nonnull b,
                                 float *_Nonnull y, float *_Nonnull inner);

/// Rows are `count` long, stride elements apart.
typedef void (*martlet_softmax)(const float *_Nonnull x, ptrdiff_t x_stride, float scale, float *_Nonnull out,
                                ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count);

typedef struct martlet_vector_kernels {
    // Norms. weight and bias: [count]; a NULL weight means 1, a NULL bias 0.

    /// out = x / sqrt(mean(x^2) + epsilon) * (weight + weight_offset); weight_offset is 1 for Gemma, else 0.
    /// Source: Zhang and Sennrich 2019.
    void (*_Nonnull rms_norm)(const float *_Nonnull x, ptrdiff_t x_stride, const float *_Nullable weight,
                              float weight_offset, float epsilon, float *_Nonnull out, ptrdiff_t out_stride,
                              ptrdiff_t rows, ptrdiff_t count);
    /// residual += x, then out = the RMS norm of residual. Contiguous rows. Equal to add followed by rms_norm.
    void (*_Nonnull add_rms_norm)(const float *_Nonnull x, float *_Nonnull residual, const float *_Nullable weight,
                                  float weight_offset, float epsilon, float *_Nonnull out, ptrdiff_t rows,
                                  ptrdiff_t count);
    /// out = (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * weight + bias. Source: Ba et al. 2016.
    void (*_Nonnull layer_norm)(const float *_Nonnull x, ptrdiff_t x_stride, const float *_Nullable weight,
                                const float *_Nullable bias, float epsilon, float *_Nonnull out,
                                ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count);

    // Rows of logits. A NaN in a row makes the row NaN.

    /// out = exp(scale * x - m) / sum(exp(scale * x - m)), m the maximum of scale * x in the row.
    martlet_softmax _Nonnull softmax;
    /// out = scale * x - log(sum(exp(scale * x)))
    martlet_softmax _Nonnull log_softmax;
    /// out[r] = log(sum(exp(scale * x[r]))), without overflow; -infinity for a row of -infinity.
    void (*_Nonnull log_sum_exp)(const float *_Nonnull x, ptrdiff_t x_stride, float scale, float *_Nonnull out,
                                 ptrdiff_t rows, ptrdiff_t count);

    /// Element i is paired with element i + rotary_dimension / 2 (Llama, Qwen, Gemma; "NeoX").
    martlet_rope _Nonnull rope_half_split;
    /// Element 2 i is paired with element 2 i + 1 (GPT-J, GGUF's Llama).
    martlet_rope _Nonnull rope_interleaved;

    // Functions of one number.

    martlet_unary _Nonnull exp, log, sqrt, reciprocal_sqrt, tanh, erf;
    /// max(x, 0); NaN stays NaN.
    martlet_unary _Nonnull relu;
    /// 1 / (1 + exp(-x))
    martlet_unary _Nonnull sigmoid;
    /// x / (1 + exp(-x))
    martlet_unary _Nonnull silu;
    /// x / 2 * (1 + erf(x / sqrt 2)). Source: Hendrycks and Gimpel 2016.
    martlet_unary _Nonnull gelu;
    /// x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    martlet_unary _Nonnull gelu_tanh;
    /// x * sigmoid(1.702 x) (CLIP)
    martlet_unary _Nonnull gelu_quick;
    martlet_unary _Nonnull negate, absolute;
    /// cap * tanh(x / cap)
    martlet_scalar _Nonnull soft_cap;

    /// silu(gate) * up. Source: Shazeer 2020.
    martlet_gated _Nonnull swiglu;
    /// gelu(gate) * up, exact and by tanh.
    martlet_gated _Nonnull geglu, geglu_tanh;

    // Arithmetic. maximum and minimum give NaN where either is NaN.

    martlet_binary _Nonnull add, subtract, multiply, divide, maximum, minimum;
    martlet_scalar _Nonnull add_scalar, multiply_scalar, divide_scalar, maximum_scalar, minimum_scalar;
    /// s - x and s / x.
    martlet_scalar _Nonnull subtract_from_scalar, divide_into_scalar;
    /// y += s x, rounded once (fused multiply-add).
    void (*_Nonnull axpy)(float s, const float *_Nonnull x, float *_Nonnull y, ptrdiff_t count);
    /// out[r][i] = x[r][i] + bias[i]
    void (*_Nonnull add_bias)(const float *_Nonnull x, ptrdiff_t x_stride, const float *_Nonnull bias,
                              float *_Nonnull out, ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count);

    // Reductions of `count` elements. The largest and smallest of no elements are -infinity and infinity; any NaN gives
    // NaN.

    martlet_reduction _Nonnull sum, sum_of_squares, largest, smallest;
    float (*_Nonnull dot)(const float *_Nonnull a, const float *_Nonnull b, ptrdiff_t count);
    /// Index of the largest (smallest) element, the lowest among equals; of the first NaN if there is one; -1 for no
    /// elements.
    ptrdiff_t (*_Nonnull index_of_largest)(const float *_Nonnull x, ptrdiff_t count);
    ptrdiff_t (*_Nonnull index_of_smallest)(const float *_Nonnull x, ptrdiff_t count);

    /// A and B in float32, and as codes of 8 bits.
    martlet_low_rank _Nonnull low_rank_f32, low_rank_codes;

    // Conversions: to nearest, ties to even; overflow to infinity; NaN stays NaN, with the sign and the leading bits
    // of its payload, and becomes quiet except from bf16, which is exact.

    void (*_Nonnull f32_to_f16)(const float *_Nonnull x, uint16_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f16_to_f32)(const uint16_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f32_to_bf16)(const float *_Nonnull x, uint16_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull bf16_to_f32)(const uint16_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f16_to_bf16)(const uint16_t *_Nonnull x, uint16_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull bf16_to_f16)(const uint16_t *_Nonnull x, uint16_t *_Nonnull out, ptrdiff_t count);

    // To integers: towards zero, saturating, NaN to 0.

    void (*_Nonnull f32_to_i8)(const float *_Nonnull x, int8_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f32_to_u8)(const float *_Nonnull x, uint8_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f32_to_i32)(const float *_Nonnull x, int32_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f32_to_i64)(const float *_Nonnull x, int64_t *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull i8_to_f32)(const int8_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull u8_to_f32)(const uint8_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull i32_to_f32)(const int32_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull i64_to_f32)(const int64_t *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f64_to_f32)(const double *_Nonnull x, float *_Nonnull out, ptrdiff_t count);
    void (*_Nonnull f32_to_f64)(const float *_Nonnull x, double *_Nonnull out, ptrdiff_t count);
} martlet_vector_kernels;
