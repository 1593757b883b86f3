// All training kernels, for one instruction set.
#include "lanes.h"
#include "functions.h"
#include "elementwise.h"
#include "reduce.h"
#include "norm.h"
#include "softmax.h"
#include "training_norm.h"
#include "training_pointwise.h"
#include "training_attention.h"
#include "training_loss.h"
#include "training_optimizers.h"

static void fill_training(martlet_training_kernels *table) {
    fill_training_norm(table);
    fill_training_pointwise(table);
    fill_training_attention(table);
    fill_training_loss(table);
    fill_training_optimizers(table);
}
