// What the processor can do, from cpuid and the operating system's word that it saves the registers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum martlet_instruction_set {
    MARTLET_PORTABLE = 0,
    /// 64-bit Arm with ASIMD.
    MARTLET_NEON = 1,
    /// AVX2, FMA and F16C (Haswell, Zen and later).
    MARTLET_AVX2 = 2,
    /// AVX-512 F, BW, DQ, VL, VNNI and BF16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
    MARTLET_AVX512 = 3,
} martlet_instruction_set;

#define MARTLET_INSTRUCTION_SETS 4

/// Whether this processor and operating system run code of that set.
bool martlet_cpu_supports(martlet_instruction_set set);
/// "portable", "neon", "avx2", "avx512".
const char *_Nonnull martlet_instruction_set_name(martlet_instruction_set set);
/// Bytes of the data cache of level 1, 2 or 3 that one core sees, or a usual size where the system does not say.
size_t martlet_cache_bytes(int level);
