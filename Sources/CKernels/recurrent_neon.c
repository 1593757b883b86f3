#include "fill.h"

#if defined(__aarch64__)
#define LANES_NEON
#include "kernels/recurrent.h"

void martlet_fill_recurrent_neon(martlet_recurrent_kernels *table) { fill_recurrent(table); }
#else
void martlet_fill_recurrent_neon(martlet_recurrent_kernels *table) { (void)table; }
#endif
