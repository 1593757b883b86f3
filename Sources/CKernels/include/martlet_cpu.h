// Instruction sets of the processor, from cpuid and from the operating system's register-state support (XCR0).
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

/// Whether this processor and operating system can run code of the instruction set.
bool martlet_cpu_supports(martlet_instruction_set set);
/// "portable", "neon", "avx2", "avx512".
const char *_Nonnull martlet_instruction_set_name(martlet_instruction_set set);
/// Bytes of the level 1, 2 or 3 data cache that one core can use; a typical size if the system does not report it.
size_t martlet_cache_bytes(int level);
