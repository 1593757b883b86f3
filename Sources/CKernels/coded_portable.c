#include "fill.h"

#define LANES_PORTABLE
#include "kernels/coded.h"

void martlet_fill_coded_portable(martlet_coded_kernels *table) { fill_coded(table); }
