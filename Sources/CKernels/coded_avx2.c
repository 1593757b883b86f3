#include "fill.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES_AVX2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "kernels/coded.h"
#pragma clang attribute pop

void martlet_fill_coded_avx2(martlet_coded_kernels *table) { fill_coded(table); }
#else
void martlet_fill_coded_avx2(martlet_coded_kernels *table) { (void)table; }
#endif
