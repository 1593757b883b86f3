// Functions of one and two numbers, and the gates of a feed-forward layer.

#define UNARY(name, expression)                                                   \
    static void name(const float *input, float *out, ptrdiff_t count) {           \
        ptrdiff_t i = 0;                                                          \
        for (; i + LANES <= count; i += LANES) {                                  \
            f32x16 x = load(input + i);                                           \
            store(out + i, expression);                                           \
        }                                                                         \
        if (i < count) {                                                          \
            f32x16 x = load_part(input + i, count - i);                           \
            store_part(out + i, expression, count - i);                           \
        }                                                                         \
    }

#define BINARY(name, expression)                                                          \
    static void name(const float *left, const float *right, float *out, ptrdiff_t count) { \
        ptrdiff_t i = 0;                                                                  \
        for (; i + LANES <= count; i += LANES) {                                          \
            f32x16 a = load(left + i), b = load(right + i);                               \
            store(out + i, expression);                                                   \
        }                                                                                 \
        if (i < count) {                                                                  \
            f32x16 a = load_part(left + i, count - i), b = load_part(right + i, count - i); \
            store_part(out + i, expression, count - i);                                   \
        }                                                                                 \
    }

#define SCALAR(name, expression)                                                   \
    static void name(const float *input, float scalar, float *out, ptrdiff_t count) { \
        f32x16 s = splat(scalar);                                                  \
        ptrdiff_t i = 0;                                                           \
        for (; i + LANES <= count; i += LANES) {                                   \
            f32x16 x = load(input + i);                                            \
            store(out + i, expression);                                            \
        }                                                                          \
        if (i < count) {                                                           \
            f32x16 x = load_part(input + i, count - i);                            \
            store_part(out + i, expression, count - i);                            \
        }                                                                          \
    }

#define GATED(name, function)                                                                              \
    static void name(const float *gate, ptrdiff_t gate_stride, const float *up, ptrdiff_t up_stride, float *out, \
                     ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t count) {                              \
        for (ptrdiff_t r = 0; r < rows; r++, gate += gate_stride, up += up_stride, out += out_stride) {    \
            ptrdiff_t i = 0;                                                                               \
            for (; i + LANES <= count; i += LANES) store(out + i, function(load(gate + i)) * load(up + i)); \
            if (i < count) {                                                                               \
                f32x16 g = load_part(gate + i, count - i), u = load_part(up + i, count - i);               \
                store_part(out + i, function(g) * u, count - i);                                           \
            }                                                                                              \
        }                                                                                                  \
    }

/// NaN where either is NaN.
INLINE f32x16 maximum16(f32x16 a, f32x16 b) { return choose((a > b) | (a != a), a, b); }
INLINE f32x16 minimum16(f32x16 a, f32x16 b) { return choose((a < b) | (a != a), a, b); }

UNARY(exp_f32, exp16(x))
UNARY(log_f32, log16(x))
UNARY(sqrt_f32, __builtin_elementwise_sqrt(x))
UNARY(reciprocal_sqrt_f32, splat(1.0f) / __builtin_elementwise_sqrt(x))
UNARY(tanh_f32, tanh16(x))
UNARY(erf_f32, erf16(x))
UNARY(relu_f32, choose(x < splat(0.0f), splat(0.0f), x))
UNARY(sigmoid_f32, sigmoid16(x))
UNARY(silu_f32, silu16(x))
UNARY(gelu_f32, gelu16(x))
UNARY(gelu_tanh_f32, gelu_tanh16(x))
UNARY(gelu_quick_f32, gelu_quick16(x))
UNARY(negate_f32, -x)
UNARY(absolute_f32, magnitude(x))
SCALAR(soft_cap_f32, s * tanh16(x / s))

GATED(swiglu_f32, silu16)
GATED(geglu_f32, gelu16)
GATED(geglu_tanh_f32, gelu_tanh16)

BINARY(add_f32, a + b)
BINARY(subtract_f32, a - b)
BINARY(multiply_f32, a *b)
BINARY(divide_f32, a / b)
BINARY(maximum_f32, maximum16(a, b))
BINARY(minimum_f32, minimum16(a, b))
SCALAR(add_scalar_f32, x + s)
SCALAR(multiply_scalar_f32, x *s)
SCALAR(divide_scalar_f32, x / s)
SCALAR(maximum_scalar_f32, maximum16(x, s))
SCALAR(minimum_scalar_f32, minimum16(x, s))
SCALAR(subtract_from_scalar_f32, s - x)
SCALAR(divide_into_scalar_f32, s / x)

static void axpy_f32(float scalar, const float *x, float *y, ptrdiff_t count) {
    f32x16 s = splat(scalar);
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES) store(y + i, fma16(s, load(x + i), load(y + i)));
    if (i < count) {
        store_part(y + i, fma16(s, load_part(x + i, count - i), load_part(y + i, count - i)), count - i);
    }
}

static void add_bias_f32(const float *x, ptrdiff_t x_stride, const float *bias, float *out, ptrdiff_t out_stride,
                         ptrdiff_t rows, ptrdiff_t count) {
    for (ptrdiff_t r = 0; r < rows; r++) add_f32(x + r * x_stride, bias, out + r * out_stride, count);
}

static void fill_elementwise(martlet_vector_kernels *table) {
    table->exp = exp_f32;
    table->log = log_f32;
    table->sqrt = sqrt_f32;
    table->reciprocal_sqrt = reciprocal_sqrt_f32;
    table->tanh = tanh_f32;
    table->erf = erf_f32;
    table->relu = relu_f32;
    table->sigmoid = sigmoid_f32;
    table->silu = silu_f32;
    table->gelu = gelu_f32;
    table->gelu_tanh = gelu_tanh_f32;
    table->gelu_quick = gelu_quick_f32;
    table->negate = negate_f32;
    table->absolute = absolute_f32;
    table->soft_cap = soft_cap_f32;
    table->swiglu = swiglu_f32;
    table->geglu = geglu_f32;
    table->geglu_tanh = geglu_tanh_f32;
    table->add = add_f32;
    table->subtract = subtract_f32;
    table->multiply = multiply_f32;
    table->divide = divide_f32;
    table->maximum = maximum_f32;
    table->minimum = minimum_f32;
    table->add_scalar = add_scalar_f32;
    table->multiply_scalar = multiply_scalar_f32;
    table->divide_scalar = divide_scalar_f32;
    table->maximum_scalar = maximum_scalar_f32;
    table->minimum_scalar = minimum_scalar_f32;
    table->subtract_from_scalar = subtract_from_scalar_f32;
    table->divide_into_scalar = divide_into_scalar_f32;
    table->axpy = axpy_f32;
    table->add_bias = add_bias_f32;
}
