// Rotary position embedding: (a, b) -> (a cos - b sin, b cos + a sin).

INLINE void rotate(f32x16 *a, f32x16 *b, f32x16 c, f32x16 s) {
    f32x16 x = *a, y = *b;
    *a = fma16(x, c, -(y * s));
    *b = fma16(y, c, x * s);
}

static void rope_half_split_f32(float *x, ptrdiff_t token_stride, ptrdiff_t tokens, ptrdiff_t heads,
                                ptrdiff_t head_dimension, ptrdiff_t rotary_dimension, const float *cosines,
                                const float *sines, const int32_t *positions) {
    ptrdiff_t half = rotary_dimension / 2;
    for (ptrdiff_t t = 0; t < tokens; t++) {
        ptrdiff_t row = (positions ? positions[t] : t) * half;
        for (ptrdiff_t h = 0; h < heads; h++) {
            float *head = x + t * token_stride + h * head_dimension;
            for (ptrdiff_t i = 0; i < half; i += LANES) {
                ptrdiff_t n = half - i < LANES ? half - i : LANES;
                f32x16 a = load_part_or_all(head + i, n), b = load_part_or_all(head + half + i, n);
                rotate(&a, &b, load_part_or_all(cosines + row + i, n), load_part_or_all(sines + row + i, n));
                if (n == LANES) {
                    store(head + i, a);
                    store(head + half + i, b);
                } else {
                    store_part(head + i, a, n);
                    store_part(head + half + i, b, n);
                }
            }
        }
    }
}

static void rope_interleaved_f32(float *x, ptrdiff_t token_stride, ptrdiff_t tokens, ptrdiff_t heads,
                                 ptrdiff_t head_dimension, ptrdiff_t rotary_dimension, const float *cosines,
                                 const float *sines, const int32_t *positions) {
    ptrdiff_t half = rotary_dimension / 2;
    for (ptrdiff_t t = 0; t < tokens; t++) {
        ptrdiff_t row = (positions ? positions[t] : t) * half;
        for (ptrdiff_t h = 0; h < heads; h++) {
            float *head = x + t * token_stride + h * head_dimension;
            ptrdiff_t i = 0;
            for (; i + LANES <= half; i += LANES) {
                f32x16 low = load(head + 2 * i), high = load(head + 2 * i + LANES);
                f32x16 a = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                f32x16 b = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
                rotate(&a, &b, load(cosines + row + i), load(sines + row + i));
                store(head + 2 * i, __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
                store(head + 2 * i + LANES,
                      __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
            }
            for (; i < half; i++) {
                f32x16 a = splat(head[2 * i]), b = splat(head[2 * i + 1]);
                rotate(&a, &b, splat(cosines[row + i]), splat(sines[row + i]));
                head[2 * i] = a[0];
                head[2 * i + 1] = b[0];
            }
        }
    }
}

static void fill_rope(martlet_vector_kernels *table) {
    table->rope_half_split = rope_half_split_f32;
    table->rope_interleaved = rope_interleaved_f32;
}
