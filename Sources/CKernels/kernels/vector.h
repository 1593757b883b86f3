// All vector kernels, for one instruction set.
#include "lanes.h"
#include "functions.h"
#include "elementwise.h"
#include "reduce.h"
#include "norm.h"
#include "softmax.h"
#include "rope.h"
#include "convert.h"
#include "low_rank.h"

static void fill_vector(martlet_vector_kernels *table) {
    fill_elementwise(table);
    fill_reduce(table);
    fill_norm(table);
    fill_softmax(table);
    fill_rope(table);
    fill_convert(table);
    fill_low_rank(table);
}
