#include "fill.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define LANES_NEON
#include "kernels/levels.h"

void martlet_fill_levels_neon(martlet_levels_kernels *table) { fill_levels(table); }
#else
void martlet_fill_levels_neon(martlet_levels_kernels *table) { (void)table; }
#endif
