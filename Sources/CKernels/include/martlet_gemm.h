#pragma once
#include "martlet_cpu.h"

typedef struct martlet_gemm_kernels {
    int placeholder;
} martlet_gemm_kernels;
