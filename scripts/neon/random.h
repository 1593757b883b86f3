// Numbers that the checks draw, the same in every run.
#pragma once
#include <stdint.h>

static uint64_t state = 1;
static inline int below(int n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)((state >> 33) % (uint64_t)n);
}
