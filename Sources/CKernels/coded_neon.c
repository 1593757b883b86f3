#include "fill.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define LANES_NEON
#include "kernels/coded.h"

void martlet_fill_coded_neon(martlet_coded_kernels *table) { fill_coded(table); }
#else
void martlet_fill_coded_neon(martlet_coded_kernels *table) { (void)table; }
#endif
