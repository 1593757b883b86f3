// The fill functions of every family and instruction set. A set that the target cannot compile fills in nothing.
#pragma once
#include "include/CKernels.h"

/// -offset · sum: corrects a sum of activations for codes that are stored with an offset. Computed modulo 2^32, so that
/// no value of `sum`, whatever memory it was read from, is undefined behaviour; sums of one block are far below that.
static inline int32_t offset_of(int offset, int32_t sum) { return (int32_t)(0u - (uint32_t)offset * (uint32_t)sum); }

#define MARTLET_FILL(family)                                                  \
    void martlet_fill_##family##_portable(martlet_##family##_kernels *table); \
    void martlet_fill_##family##_avx2(martlet_##family##_kernels *table);     \
    void martlet_fill_##family##_avx512(martlet_##family##_kernels *table);   \
    void martlet_fill_##family##_neon(martlet_##family##_kernels *table);

MARTLET_FILL(gemm)
MARTLET_FILL(quantized)
MARTLET_FILL(coded)
MARTLET_FILL(levels)
MARTLET_FILL(attention)
MARTLET_FILL(vector)
MARTLET_FILL(training)
MARTLET_FILL(encoding)
MARTLET_FILL(recurrent)
