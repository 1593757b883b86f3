#include "fill.h"

#if defined(__aarch64__)
#define LANES_NEON
#include "kernels/training.h"

void martlet_fill_training_neon(martlet_training_kernels *table) { fill_training(table); }
#else
void martlet_fill_training_neon(martlet_training_kernels *table) { (void)table; }
#endif
