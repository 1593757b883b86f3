#include "fill.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES_AVX512
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#include "kernels/levels.h"
#pragma clang attribute pop

void martlet_fill_levels_avx512(martlet_levels_kernels *table) { fill_levels(table); }
#else
void martlet_fill_levels_avx512(martlet_levels_kernels *table) { (void)table; }
#endif
