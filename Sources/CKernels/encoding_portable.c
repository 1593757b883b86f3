#include "fill.h"

#define LANES_PORTABLE
#include "kernels/encoding.h"

void martlet_fill_encoding_portable(martlet_encoding_kernels *table) { fill_encoding(table); }
