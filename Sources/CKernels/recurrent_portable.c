#include "fill.h"

#define LANES_PORTABLE
#include "kernels/recurrent.h"

void martlet_fill_recurrent_portable(martlet_recurrent_kernels *table) { fill_recurrent(table); }
