// Conversions between number types.

#define CONVERT_FROM_U16(name, out_type, put, expression)                              \
    static void name(const uint16_t *input, out_type *out, ptrdiff_t count) {          \
        ptrdiff_t i = 0;                                                               \
        for (; i + LANES <= count; i += LANES) {                                       \
            u16x16 x = load_u16(input + i);                                            \
            put(out + i, expression);                                                  \
        }                                                                              \
        if (i < count) {                                                               \
            u16x16 x = 0;                                                              \
            memcpy(&x, input + i, (size_t)(count - i) * sizeof *input);                \
            __typeof__(expression) y = expression;                                     \
            memcpy(out + i, &y, (size_t)(count - i) * sizeof *out);                    \
        }                                                                              \
    }

#define CONVERT_TO(name, out_type, expression)                                         \
    static void name(const float *input, out_type *out, ptrdiff_t count) {             \
        ptrdiff_t i = 0;                                                               \
        for (; i + LANES <= count; i += LANES) {                                       \
            f32x16 x = load(input + i);                                                \
            __typeof__(expression) y = expression;                                     \
            memcpy(out + i, &y, sizeof y);                                             \
        }                                                                              \
        if (i < count) {                                                               \
            f32x16 x = load_part(input + i, count - i);                                \
            __typeof__(expression) y = expression;                                     \
            memcpy(out + i, &y, (size_t)(count - i) * sizeof *out);                    \
        }                                                                              \
    }

#define CONVERT_PLAIN(name, in_type, out_type)                                         \
    static void name(const in_type *x, out_type *out, ptrdiff_t count) {               \
        for (ptrdiff_t i = 0; i < count; i++) out[i] = (out_type)x[i];                 \
    }

/// Truncates towards zero within [low, high], which are exact floats; NaN becomes 0.
INLINE i32x16 truncate_within(f32x16 x, float low, float high) {
    x = choose(x > splat(low), x, choose(x != x, splat(0.0f), splat(low)));
    return __builtin_convertvector(choose(x < splat(high), x, splat(high)), i32x16);
}
INLINE i32x16 to_i32(f32x16 x) {
    // The largest float below 2^31; from 2^31 on the result is 2^31 - 1.
    i32x16 whole = truncate_within(x, -0x1p31f, 0x1.fffffep30f);
    return x >= splat(0x1p31f) ? (i32x16)INT32_MAX : whole;
}

CONVERT_TO(f32_to_f16, uint16_t, narrow_half(x))
CONVERT_TO(f32_to_bf16, uint16_t, narrow_brain(x))
CONVERT_FROM_U16(f16_to_f32, float, store, widen_half(x))
CONVERT_FROM_U16(bf16_to_f32, float, store, widen_brain(x))
CONVERT_FROM_U16(f16_to_bf16, uint16_t, store_u16, narrow_brain(widen_half(x)))
CONVERT_FROM_U16(bf16_to_f16, uint16_t, store_u16, narrow_half(widen_brain(x)))
CONVERT_TO(f32_to_i8, int8_t, __builtin_convertvector(truncate_within(x, -128, 127), i8x16))
CONVERT_TO(f32_to_u8, uint8_t, __builtin_convertvector(truncate_within(x, 0, 255), u8x16))
CONVERT_TO(f32_to_i32, int32_t, to_i32(x))
CONVERT_PLAIN(i8_to_f32, int8_t, float)
CONVERT_PLAIN(u8_to_f32, uint8_t, float)
CONVERT_PLAIN(i32_to_f32, int32_t, float)
CONVERT_PLAIN(i64_to_f32, int64_t, float)
CONVERT_PLAIN(f64_to_f32, double, float)
CONVERT_PLAIN(f32_to_f64, float, double)

static void f32_to_i64(const float *x, int64_t *out, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        float v = x[i];
        out[i] = v != v ? 0 : v >= 0x1p63f ? INT64_MAX : v < -0x1p63f ? INT64_MIN : (int64_t)v;
    }
}

static void fill_convert(martlet_vector_kernels *table) {
    table->f32_to_f16 = f32_to_f16;
    table->f16_to_f32 = f16_to_f32;
    table->f32_to_bf16 = f32_to_bf16;
    table->bf16_to_f32 = bf16_to_f32;
    table->f16_to_bf16 = f16_to_bf16;
    table->bf16_to_f16 = bf16_to_f16;
    table->f32_to_i8 = f32_to_i8;
    table->f32_to_u8 = f32_to_u8;
    table->f32_to_i32 = f32_to_i32;
    table->f32_to_i64 = f32_to_i64;
    table->i8_to_f32 = i8_to_f32;
    table->u8_to_f32 = u8_to_f32;
    table->i32_to_f32 = i32_to_f32;
    table->i64_to_f32 = i64_to_f32;
    table->f64_to_f32 = f64_to_f32;
    table->f32_to_f64 = f32_to_f64;
}
