#include "fill.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES_AVX2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "kernels/training.h"
#pragma clang attribute pop

void martlet_fill_training_avx2(martlet_training_kernels *table) { fill_training(table); }
#else
void martlet_fill_training_avx2(martlet_training_kernels *table) { (void)table; }
#endif
