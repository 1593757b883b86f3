#include "fill.h"

#if defined(__aarch64__)
#define LANES_NEON
#include "kernels/encoding.h"

void martlet_fill_encoding_neon(martlet_encoding_kernels *table) { fill_encoding(table); }
#else
void martlet_fill_encoding_neon(martlet_encoding_kernels *table) { (void)table; }
#endif
