#pragma once
#include "martlet_cpu.h"

typedef struct martlet_vector_kernels {
    int placeholder;
} martlet_vector_kernels;
