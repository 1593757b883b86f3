#include "include/martlet_cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

/// Bits of XCR0: the register states that the operating system saves (SDM vol. 1, 13.3).
static uint64_t saved_state(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_avx2(void) {
    unsigned a, b, c, d, ecx1;
    if (!__get_cpuid(1, &a, &b, &ecx1, &d)) return false;
    if (!(ecx1 & bit_FMA) || !(ecx1 & bit_F16C) || !(ecx1 & bit_AVX)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return false;
    return (saved_state() & 0x6) == 0x6;
}

static bool has_avx512(void) {
    unsigned a, b, c, d, a1, b1, c1, d1;
    if (!has_avx2() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    const unsigned vnni = 1u << 11, bf16 = 1u << 5;
    if ((b & wanted) != wanted || !(c & vnni)) return false;
    if (!__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) || !(a1 & bf16)) return false;
    return (saved_state() & 0xE6) == 0xE6;
}
#endif

bool martlet_cpu_supports(martlet_instruction_set set) {
    switch (set) {
    case MARTLET_PORTABLE: return true;
#if defined(__x86_64__)
    case MARTLET_AVX2: return has_avx2();
    case MARTLET_AVX512: return has_avx512();
#elif defined(__aarch64__)
    case MARTLET_NEON: return true;
#endif
    default: return false;
    }
}

const char *martlet_instruction_set_name(martlet_instruction_set set) {
    switch (set) {
    case MARTLET_NEON: return "neon";
    case MARTLET_AVX2: return "avx2";
    case MARTLET_AVX512: return "avx512";
    default: return "portable";
    }
}
