#include "fill.h"

#define LANES_PORTABLE
#include "kernels/attention.h"

void martlet_fill_attention_portable(martlet_attention_kernels *table) { fill_attention(table); }
