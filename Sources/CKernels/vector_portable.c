#include "fill.h"

#define LANES_PORTABLE
#include "kernels/vector.h"

void martlet_fill_vector_portable(martlet_vector_kernels *table) { fill_vector(table); }
