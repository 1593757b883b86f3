// Cache sizes, from the system.
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "include/martlet_cpu.h"

#if defined(__linux__)
#include <unistd.h>
#endif

size_t martlet_cache_bytes(int level) {
    long size = 0;
#if defined(__linux__) && defined(_SC_LEVEL1_DCACHE_SIZE)
    if (level == 1) size = sysconf(_SC_LEVEL1_DCACHE_SIZE);
    if (level == 2) size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (level == 3) size = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    if (size > 0) return (size_t)size;
    return level == 1 ? 32 << 10 : level == 2 ? 512 << 10 : 8 << 20;
}
