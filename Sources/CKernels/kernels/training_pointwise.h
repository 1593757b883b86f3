// Gradients of activation functions and gated units.

/// s (1 + x (1 - s)), s = sigmoid(x)
INLINE f32x16 silu_slope(f32x16 x) {
    f32x16 s = sigmoid16(x);
    return s * fma16(x, splat(1.0f) - s, splat(1.0f));
}
/// Phi(x) + x phi(x)
INLINE f32x16 gelu_slope(f32x16 x) {
    f32x16 cumulative = fma16(splat(0.5f), erf16(x * splat(0.707106781f)), splat(0.5f));
    return fma16(x * splat(0.398942280f), exp16(splat(-0.5f) * x * x), cumulative);
}
/// With s = sigmoid(u), u = 2 c (x + 0.044715 x^3): s + x s (1 - s) u'.
INLINE f32x16 gelu_tanh_slope(f32x16 x) {
    f32x16 square = x * x;
    f32x16 s = sigmoid16(x * fma16(splat(0.0713548163f), square, splat(1.59576912f)));
    f32x16 slope = fma16(splat(0.214064449f), square, splat(1.59576912f));
    return fma16(x * s * (splat(1.0f) - s), slope, s);
}
INLINE f32x16 relu_slope(f32x16 x) { return choose(x > splat(0.0f), splat(1.0f), splat(0.0f)); }

#define ACTIVATION_GRADIENT(name, slope)                                                                         \
    static void name(const float *x, const float *dy, float *dx, bool accumulate, ptrdiff_t count) {             \
        for (ptrdiff_t i = 0; i < count; i += LANES) {                                                           \
            ptrdiff_t n = count - i;                                                                             \
            f32x16 d = load_up_to(dy + i, n) * slope(load_up_to(x + i, n));                                      \
            store_up_to(dx + i, accumulate ? load_up_to(dx + i, n) + d : d, n);                                  \
        }                                                                                                        \
    }

#define GATED_GRADIENT(name, function, slope)                                                                    \
    static void name(const float *gate, const float *up, const float *dout, float *dgate, float *dup,            \
                     ptrdiff_t count) {                                                                          \
        for (ptrdiff_t i = 0; i < count; i += LANES) {                                                           \
            ptrdiff_t n = count - i;                                                                             \
            f32x16 g = load_up_to(gate + i, n), u = load_up_to(up + i, n), d = load_up_to(dout + i, n);          \
            store_up_to(dgate + i, d * u * slope(g), n);                                                         \
            store_up_to(dup + i, d * function(g), n);                                                            \
        }                                                                                                        \
    }

ACTIVATION_GRADIENT(silu_gradient_f32, silu_slope)
ACTIVATION_GRADIENT(gelu_gradient_f32, gelu_slope)
ACTIVATION_GRADIENT(gelu_tanh_gradient_f32, gelu_tanh_slope)
ACTIVATION_GRADIENT(relu_gradient_f32, relu_slope)
GATED_GRADIENT(geglu_gradient_f32, gelu16, gelu_slope)
GATED_GRADIENT(geglu_tanh_gradient_f32, gelu_tanh16, gelu_tanh_slope)

/// The sigmoid is computed once for both gradients.
static void swiglu_gradient_f32(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                                ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        ptrdiff_t n = count - i;
        f32x16 g = load_up_to(gate + i, n), u = load_up_to(up + i, n), d = load_up_to(dout + i, n);
        f32x16 s = sigmoid16(g), f = g * s;
        store_up_to(dgate + i, d * u * fma16(f, splat(1.0f) - s, s), n);
        store_up_to(dup + i, d * f, n);
    }
}

static void fill_training_pointwise(martlet_training_kernels *table) {
    table->silu_gradient = silu_gradient_f32;
    table->gelu_gradient = gelu_gradient_f32;
    table->gelu_tanh_gradient = gelu_tanh_gradient_f32;
    table->relu_gradient = relu_gradient_f32;
    table->swiglu_gradient = swiglu_gradient_f32;
    table->geglu_gradient = geglu_gradient_f32;
    table->geglu_tanh_gradient = geglu_tanh_gradient_f32;
}
