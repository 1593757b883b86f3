// The fill functions of every family and instruction set. A set that a target cannot compile fills nothing.
#pragma once
#include "include/CKernels.h"

#define MARTLET_FILL(family)                                                  \
    void martlet_fill_##family##_portable(martlet_##family##_kernels *table); \
    void martlet_fill_##family##_avx2(martlet_##family##_kernels *table);     \
    void martlet_fill_##family##_avx512(martlet_##family##_kernels *table);   \
    void martlet_fill_##family##_neon(martlet_##family##_kernels *table);

MARTLET_FILL(gemm)
MARTLET_FILL(quantized)
MARTLET_FILL(attention)
MARTLET_FILL(vector)
MARTLET_FILL(training)
