// Kernels of layers with a recurrent state: causal convolution of single channels, the selective scan of Mamba 1, the
// state space of Mamba 2 and the gated delta rule, with their gradients.
//
// A call goes through the tokens of one sequence in order. The state is a matrix [rows][lanes] of one head (or of some
// channels); lanes are outputs and every sum over rows is one chain in ascending order, so a sequence in one call, token
// by token, and on every instruction set has the same bits. Where `keep` is not 0, the state after a token is written
// `keep` floats behind the state before it, as gradients need all of them; else it is replaced.
// Strides are in elements, from token to token. All kernels are single-threaded; a caller divides sequences and heads.
#pragma once
#include "martlet_cpu.h"

/// y[t][i] = bias[i] + sum over j of weight[i][j] x[t - width + 1 + j][i]; before the first token stands the state.
typedef struct martlet_convolution {
    const float *_Nonnull x;
    /// [channels][width], and [channels] or NULL.
    const float *_Nonnull weight;
    const float *_Nullable bias;
    /// The last width - 1 inputs, [width - 1][state_stride]; replaced.
    float *_Nonnull state;
    float *_Nonnull y;
    ptrdiff_t x_stride, y_stride, state_stride, tokens, channels, width;
} martlet_convolution;

/// One head, or a range of channels, of a recurrence over one sequence. What an operation does not use is NULL.
typedef struct martlet_recurrence {
    /// [tokens][lanes]: inputs x of a state space, values v of the delta rule.
    const float *_Nonnull x;
    /// [tokens][rows]: B and C of a state space, keys and queries of the delta rule.
    const float *_Nonnull b;
    const float *_Nonnull c;
    /// Steps dt: [tokens][lanes] of a selective scan, [tokens] of a state space. Logarithms of the decay, [tokens], of
    /// the delta rule.
    const float *_Nonnull step;
    /// beta, [tokens] (delta rule).
    const float *_Nullable beta;
    /// A: [rows][a_stride] of a selective scan, one number of a state space.
    const float *_Nullable a;
    /// D: [lanes] of a selective scan, one number of a state space.
    const float *_Nullable d;
    /// [rows][state_stride]
    float *_Nonnull state;
    /// [tokens][lanes]
    float *_Nullable y;
    ptrdiff_t x_stride, b_stride, c_stride, step_stride, beta_stride, a_stride, state_stride, y_stride, keep;
    ptrdiff_t tokens, rows, lanes;
} martlet_recurrence;

/// The gradient of a recurrence: the states before every token and after the last stand behind `state`, `keep` floats
/// apart. All results but `carried` and `dx` … `dbeta` are added to.
typedef struct martlet_recurrence_gradient {
    martlet_recurrence forward;
    const float *_Nonnull dy;
    /// The gradient of the state after the last token, [rows][lanes], contiguous; becomes that of the state before the first.
    float *_Nonnull carried;
    float *_Nonnull dx;
    float *_Nonnull db;
    float *_Nonnull dc;
    float *_Nonnull dstep;
    float *_Nullable dbeta;
    /// [rows][lanes], contiguous, or one number.
    float *_Nullable da;
    float *_Nullable dd;
    /// 3 * lanes floats.
    float *_Nonnull scratch;
    ptrdiff_t dy_stride, dx_stride, db_stride, dc_stride, dstep_stride, dbeta_stride;
} martlet_recurrence_gradient;

typedef struct martlet_recurrent_kernels {
    void (*_Nonnull convolution)(const martlet_convolution *_Nonnull call);
    /// h = exp(dt A) h + dt B x,  y = sum over rows of C h + D x, with dt, A and D of each lane. Source: Gu and Dao 2023.
    void (*_Nonnull selective_scan)(const martlet_recurrence *_Nonnull call);
    /// The same with one dt, A and D of all lanes. Source: Dao and Gu 2024.
    void (*_Nonnull state_space)(const martlet_recurrence *_Nonnull call);
    /// S = e S + k (beta (v - (e S)^T k))^T with e = exp(step),  y = S^T q. Source: Yang et al. 2024.
    void (*_Nonnull gated_delta)(const martlet_recurrence *_Nonnull call);
    void (*_Nonnull selective_scan_gradient)(const martlet_recurrence_gradient *_Nonnull call);
    void (*_Nonnull state_space_gradient)(const martlet_recurrence_gradient *_Nonnull call);
    void (*_Nonnull gated_delta_gradient)(const martlet_recurrence_gradient *_Nonnull call);
} martlet_recurrent_kernels;
