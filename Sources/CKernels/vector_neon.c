#include "fill.h"

#if defined(__aarch64__)
#define LANES_NEON
#include "kernels/vector.h"

void martlet_fill_vector_neon(martlet_vector_kernels *table) { fill_vector(table); }
#else
void martlet_fill_vector_neon(martlet_vector_kernels *table) { (void)table; }
#endif
