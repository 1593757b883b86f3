#include "fill.h"

#if defined(__aarch64__)
#define LANES_NEON
#include "kernels/attention.h"

void martlet_fill_attention_neon(martlet_attention_kernels *table) { fill_attention(table); }
#else
void martlet_fill_attention_neon(martlet_attention_kernels *table) { (void)table; }
#endif
