// All kernels of recurrent layers, for one instruction set.
#include "lanes.h"
#include "functions.h"

INLINE f32x16 load_some(const float *p, ptrdiff_t n) { return n >= LANES ? load(p) : load_part(p, n); }
INLINE void store_some(float *p, f32x16 v, ptrdiff_t n) {
    if (n >= LANES) store(p, v); else store_part(p, v, n);
}
/// exp of one number, by the lanes' arithmetic.
INLINE float exp_one(float x) { return exp16(splat(x))[0]; }

#include "recurrent_forward.h"
#include "recurrent_gradient.h"

static void fill_recurrent(martlet_recurrent_kernels *table) {
    table->convolution = convolution;
    table->selective_scan = selective_scan;
    table->state_space = state_space;
    table->gated_delta = gated_delta;
    table->selective_scan_gradient = selective_scan_gradient;
    table->state_space_gradient = state_space_gradient;
    table->gated_delta_gradient = gated_delta_gradient;
}
