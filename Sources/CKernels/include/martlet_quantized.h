#pragma once
#include "martlet_cpu.h"

typedef struct martlet_quantized_kernels {
    int placeholder;
} martlet_quantized_kernels;
