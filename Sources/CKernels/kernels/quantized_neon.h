// Products with packed codes for 64-bit Arm. Included once for each instruction set, after defining
//
//   TARGET          the attribute that permits the instructions
//   SUFFIX(name)    the name of this set's functions
//   DOT_PRODUCT     1 where sdot may be used
//
// A quarter of a panel has 4 rows: the vector of group g and quarter q holds columns 4g … 4g + 3 of rows 4q … 4q + 3.
// All codes are signed bytes here; codes of 8-bit formats, which are stored with an offset of 128, have it subtracted.
#define INLINE TARGET static inline __attribute__((always_inline))

/// Σ of code · digit over groups first ..< first + n, for four rows. A vector of `a` holds 16 digits, which may be −128
/// where they are the low ones.
INLINE int32x4_t SUFFIX(dot)(const int bits, const bool low_digits, const int n, const int8x16_t *w,
                             const int8x16_t *a) {
#if DOT_PRODUCT
    (void)bits, (void)low_digits;
    int32x4_t sum = vdupq_n_s32(0);
    for (int h = 0; h < n / 4; h++) {
        sum = vdotq_laneq_s32(sum, w[4 * h], a[h], 0);
        sum = vdotq_laneq_s32(sum, w[4 * h + 1], a[h], 1);
        sum = vdotq_laneq_s32(sum, w[4 * h + 2], a[h], 2);
        sum = vdotq_laneq_s32(sum, w[4 * h + 3], a[h], 3);
    }
    return sum;
#else
    // 16 bits hold two products of bytes with digits within ±127 (2 · 128 · 127), one where both may be −128, four with
    // codes up to 63 (4 · 63 · 128) and eight with codes up to 31.
    const int room = bits == 8 ? low_digits ? 1 : 2 : bits == 6 ? 4 : 8;
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (int start = 0; start < n; start += room) {
        int16x8_t l = vdupq_n_s16(0), h = l;
        for (int g = start; g < start + room && g < n; g++) {
            const int32x4_t codes = vreinterpretq_s32_s8(a[g / 4]);
            const int32x2_t pair = g % 4 < 2 ? vget_low_s32(codes) : vget_high_s32(codes);
            const int8x16_t four =
                vreinterpretq_s8_s32(g % 2 ? vdupq_lane_s32(pair, 1) : vdupq_lane_s32(pair, 0));
            l = vmlal_s8(l, vget_low_s8(w[g]), vget_low_s8(four));
            h = vmlal_high_s8(h, w[g], four);
        }
        low = vpadalq_s16(low, l);
        high = vpadalq_s16(high, h);
    }
    return vpaddq_s32(low, high);
#endif
}

/// Σ code · (256 · high + low), four rows.
INLINE int32x4_t SUFFIX(digits)(const int bits, const int n, const int8x16_t *w, const int8x16_t *high,
                                const int8x16_t *low) {
    return vaddq_s32(vshlq_n_s32(SUFFIX(dot)(bits, false, n, w, high), 8), SUFFIX(dot)(bits, true, n, w, low));
}

/// Adds the integer sum times its scale to the accumulators of four rows.
INLINE float32x4_t SUFFIX(add)(const bool minimum, const uint8_t *zeros, const int offset, const int32x4_t dot,
                               const int32_t total, const float factor, const float32x4_t scale, const float32x4_t low,
                               float32x4_t acc) {
    int32x4_t sum = offset ? vaddq_s32(dot, vdupq_n_s32(offset_of(offset, total))) : dot;
    if (zeros) sum = vmlsq_n_s32(sum, four_zeros(zeros), total);
    acc = vfmaq_f32(acc, vcvtq_f32_s32(sum), vmulq_n_f32(scale, factor));
    return minimum ? vfmaq_f32(acc, low, vdupq_n_f32(factor * (float)total)) : acc;
}

/// One panel for one activation row; unpacks the codes from the panel.
INLINE void SUFFIX(single)(const int bits, const int parts, const bool minimum, const bool zeros,
                           const martlet_table table, const int offset, const uint8_t *panel, size_t block_bytes,
                           const martlet_activations *x, size_t row, float *y, size_t left) {
    const size_t blocks = x->columns / MARTLET_BLOCK;
    const size_t header = (size_t)parts * 32 * (minimum ? 2 : 1) + (zeros ? MARTLET_PANEL : 0);
    const int n = GROUPS / parts, wide = wide_bits(bits, table);
    float32x4_t acc[4];
    for (int q = 0; q < 4; q++) acc[q] = vdupq_n_f32(0);
    for (size_t b = 0; b < blocks; b++, panel += block_bytes) {
        const int8_t *codes = x->codes + (row * blocks + b) * 2 * MARTLET_BLOCK;
        int8x16_t a[4];
        for (int i = 0; i < 4; i++) a[i] = vld1q_s8(codes + 16 * i);
        const int32_t *sums = x->sums + 2 * (row * blocks + b);
        const float factor = x->scales[row * blocks + b];
        __builtin_prefetch(panel + 4 * block_bytes);
        for (int q = 0; q < 4; q++) {
            int8x16_t w[GROUPS];
            for (int g = 0; g < GROUPS; g++) w[g] = codes_of(bits, table, panel + header, g, q);
            for (int h = 0; h < parts; h++) {
                const float32x4_t scale = four_halves(panel + 32 * h + 8 * q);
                const float32x4_t low = minimum ? four_halves(panel + 32 * (parts + h) + 8 * q) : scale;
                const int32_t total = parts == 2 ? sums[h] : sums[0] + sums[1];
                const uint8_t *zero = zeros ? panel + 2 * MARTLET_PANEL + 4 * q : NULL;
                const int32x4_t dot = SUFFIX(digits)(wide, n, w + h * n, a + h, a + 2 + h);
                acc[q] = SUFFIX(add)(minimum, zero, offset, dot, total, factor, scale, low, acc[q]);
            }
        }
    }
    for (int q = 0; q < 4; q++) store_rows(y + 4 * q, acc[q], left, 4 * (size_t)q);
}

/// A quarter of a panel for `count` activation rows; `bytes` holds the unpacked codes, [block][quarter][group][16].
INLINE void SUFFIX(rows)(const int bits, const int parts, const bool minimum, const bool zeros, const int offset,
                         const int count, const uint8_t *panel, size_t block_bytes, const int8_t *bytes, const int q,
                         const martlet_activations *x, size_t row, float *y, size_t stride, size_t left) {
    const size_t blocks = x->columns / MARTLET_BLOCK;
    const int n = GROUPS / parts;
    float32x4_t acc[8];
    for (int c = 0; c < count; c++) acc[c] = vdupq_n_f32(0);
    for (size_t b = 0; b < blocks; b++, panel += block_bytes) {
        for (int h = 0; h < parts; h++) {
            int8x16_t w[GROUPS];
            for (int g = 0; g < n; g++) w[g] = vld1q_s8(bytes + b * 512 + 128 * q + 16 * (h * n + g));
            const float32x4_t scale = four_halves(panel + 32 * h + 8 * q);
            const float32x4_t low = minimum ? four_halves(panel + 32 * (parts + h) + 8 * q) : scale;
            for (int c = 0; c < count; c++) {
                const size_t m = row + (size_t)c, at = m * blocks + b;
                const int8_t *codes = x->codes + at * 2 * MARTLET_BLOCK + 16 * h;
                int8x16_t a[4];
                for (int i = 0; i < n / 4; i++) {
                    a[i] = vld1q_s8(codes + 16 * i);
                    a[2 + i] = vld1q_s8(codes + MARTLET_BLOCK + 16 * i);
                }
                const int32_t total = parts == 2 ? x->sums[2 * at + (size_t)h] : x->sums[2 * at] + x->sums[2 * at + 1];
                const int32x4_t dot = SUFFIX(digits)(bits, n, w, a, a + 2);
                const uint8_t *zero = zeros ? panel + 2 * MARTLET_PANEL + 4 * q : NULL;
                acc[c] = SUFFIX(add)(minimum, zero, offset, dot, total, x->scales[at], scale, low, acc[c]);
            }
        }
    }
    for (int c = 0; c < count; c++) store_rows(y + (row + (size_t)c) * stride, acc[c], left, 0);
}

INLINE void SUFFIX(panels)(const int bits, const int parts, const bool minimum, const bool zeros,
                   const martlet_table table, const int stored_offset, const martlet_packing *packing,
                   const uint8_t *panels, size_t first, size_t last, const martlet_activations *x, float *y,
                   size_t stride, size_t outputs, int8_t *scratch) {
    const size_t blocks = x->columns / MARTLET_BLOCK, size = packing->block_bytes;
    const size_t header = (size_t)parts * 32 * (minimum ? 2 : 1) + (zeros ? MARTLET_PANEL : 0);
    const int wide = wide_bits(bits, table), offset = wide == 8 ? stored_offset - 128 : stored_offset;
    for (size_t p = first; p < last; p++) {
        const uint8_t *panel = panels + p * blocks * size;
        const size_t left = outputs - p * MARTLET_PANEL;
        float *out = y + p * MARTLET_PANEL;
        if (x->rows < 3) {
            for (size_t m = 0; m < x->rows; m++) {
                SUFFIX(single)(bits, parts, minimum, zeros, table, offset, panel, size, x, m, out + m * stride, left);
            }
            continue;
        }
        for (size_t b = 0; b < blocks; b++) {
            for (int i = 0; i < 4 * GROUPS; i++) {
                const int8x16_t w = codes_of(bits, table, panel + b * size + header, i % GROUPS, i / GROUPS);
                vst1q_s8(scratch + b * 512 + 16 * i, w);
            }
        }
        for (int q = 0; q < 4 && 4 * (size_t)q < left; q++) {
            const size_t rest = left - 4 * (size_t)q;
            size_t m = 0;
#define ROWS(n)                                                                                                      \
    for (; m + n <= x->rows; m += n)                                                                                 \
        SUFFIX(rows)(wide, parts, minimum, zeros, offset, n, panel, size, scratch, q, x, m, out + 4 * q, stride, rest)
            ROWS(8);
            ROWS(2);
            ROWS(1);
#undef ROWS
        }
    }
}

TARGET static void SUFFIX(multiply)(const martlet_packing *packing, const void *panels, size_t first, size_t last,
                                    const martlet_activations *x, float *y, size_t stride, size_t outputs,
                                    void *scratch) {
#define CASE(bits_, parts_, minimum_, zeros_, table_, offset_)                                                       \
    if (has_layout(packing, bits_, parts_, minimum_, zeros_, table_, offset_)) {                                     \
        SUFFIX(panels)(bits_, parts_, minimum_, zeros_, table_, offset_, packing, panels, first, last, x, y, stride, \
                       outputs, scratch);                                                                            \
        return;                                                                                                      \
    }
    FOR_EVERY_LAYOUT(CASE)
#undef CASE
    multiply_floats(packing, panels, first, last, x, y, stride, outputs);
}

#undef INLINE
