// The search for scales and codes of weights that are to be quantised.
//
// A block format stores runs of 16 or 32 weights as w ≈ scale · code + minimum. The functions search the scale and
// minimum with the least error Σ v (w − ŵ)², for 16 runs at once: each lane of a vector is one run, so every run is one
// chain of operations and every instruction set finds the same bits. `v` are the importances of the columns, or ones.
#pragma once
#include "martlet_cpu.h"

#define MARTLET_RUNS 16
#define MARTLET_LONGEST_RUN 32
#define MARTLET_LEVELS 16

typedef struct martlet_runs {
    /// float32 [count, length], one run after another.
    const float *_Nonnull values;
    /// For each run the importances of its weights, [length]; NULL where all weights count the same.
    const float *_Nullable const *_Nullable importances;
    /// 1 … 16.
    size_t count;
    /// 1 … 32.
    size_t length;
} martlet_runs;

typedef struct martlet_encoding_kernels {
    /// w ≈ scale · q + minimum with q in 0 … top; with `below`, minimum <= 0. Scales are never negative.
    void (*_Nonnull affine)(const martlet_runs *_Nonnull runs, int top, bool below, float *_Nonnull scale,
                            float *_Nonnull minimum);
    /// w ≈ scale · q with q in low … high. Scales may have either sign.
    void (*_Nonnull symmetric)(const martlet_runs *_Nonnull runs, int low, int high, float *_Nonnull scale);
    /// w ≈ scale · levels[q]; `levels` ascends. Scales may have either sign.
    void (*_Nonnull levels)(const martlet_runs *_Nonnull runs, const float *_Nonnull levels, size_t count,
                            float *_Nonnull scale);
    /// The nearest codes in low … high for given scales and minima (NULL: zero), minus `low`, to `codes` [count,
    /// length]. `error` [16] receives Σ v (w − ŵ)².
    void (*_Nonnull codes)(const martlet_runs *_Nonnull runs, int low, int high, const float *_Nonnull scale,
                           const float *_Nullable minimum, uint8_t *_Nullable codes, float *_Nullable error);
    /// The indices of the nearest levels for given scales.
    void (*_Nonnull level_codes)(const martlet_runs *_Nonnull runs, const float *_Nonnull levels, size_t count,
                                 const float *_Nonnull scale, uint8_t *_Nullable codes, float *_Nullable error);
    /// The scale, and with `minimum` the minimum, that fit given codes best, and the sums of the error: for each run
    /// Σvq², Σvq, Σv, Σvwq, Σvw, in `sums` [5, 16]. Codes as `codes` writes them, plus `low`.
    void (*_Nonnull sums)(const martlet_runs *_Nonnull runs, int low, const uint8_t *_Nonnull codes,
                          float *_Nonnull sums);
} martlet_encoding_kernels;
