#include "fill.h"

#define LANES_PORTABLE
#include "kernels/training.h"

void martlet_fill_training_portable(martlet_training_kernels *table) { fill_training(table); }
