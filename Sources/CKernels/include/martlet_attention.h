#pragma once
#include "martlet_cpu.h"

typedef struct martlet_attention_kernels {
    int placeholder;
} martlet_attention_kernels;
