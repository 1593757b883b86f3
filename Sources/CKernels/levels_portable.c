#include "fill.h"

#define LANES_PORTABLE
#include "kernels/levels.h"

void martlet_fill_levels_portable(martlet_levels_kernels *table) { fill_levels(table); }
