// The NEON products with packed weights and the rounding of activations against the portable ones, bit by bit.
#include "CKernels.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Equal bits, or undefined both.
static bool same(const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (memcmp(a + i, b + i, 4) && !(isnan(a[i]) && isnan(b[i]))) return false;
    }
    return true;
}

/// What the values of a batch of activations may look like.
static float activation(int round) {
    const float value = (float)(below(1 << 20) - (1 << 19)) / (1 << 17);
    switch (round % 8) {
    case 5: return below(20) ? value * 1e-38f : 0;
    case 6: return below(40) ? value : below(2) ? NAN : INFINITY;
    // With 16,319.5 in the block the scale is 1/2: quarters are ties. 16,192 has 127 and -128 as digits.
    case 4: return below(6) ? below(2) ? 16192 : -16192 : 16319.5f;
    case 7: return below(3) ? 0 : below(8) ? (float)(below(255) - 127) / 4 : 16319.5f;
    default: return value;
    }
}

typedef struct {
    int8_t *codes;
    float *scales;
    int32_t *sums;
} rounded;

static rounded round_with(const martlet_kernels *table, const float *x, size_t count, size_t columns) {
    const size_t blocks = count * columns / 32;
    rounded r = {malloc(2 * count * columns + 1), malloc(blocks * 4 + 4), malloc(blocks * 8 + 4)};
    table->quantized.quantize(x, count, columns, r.codes, r.scales, r.sums);
    return r;
}

static void release(rounded r) {
    free(r.codes);
    free(r.scales);
    free(r.sums);
}

static int check(martlet_type type, int round) {
    const martlet_kernels *portable = martlet_kernels_variant(MARTLET_PORTABLE);
    const martlet_kernels *neon = martlet_kernels_variant(MARTLET_NEON);
    const size_t unit = martlet_type_block(type), rows = 1 + (size_t)below(60), count = 1 + (size_t)below(23);
    const size_t columns = unit == 1 ? 1 + (size_t)below(200) : unit * (1 + (size_t)below(unit == 32 ? 9 : 3));
    martlet_packing packing;
    if (!martlet_packing_of(type, round % 5 == 4, &packing)) return 1;
    const size_t stored = columns / unit * martlet_type_block_bytes(type), panels = (rows + 15) / 16;
    uint8_t *weights = malloc(rows * stored), *packed = malloc(panels * martlet_panel_bytes(&packing, columns));
    // Any bytes at all: scales become infinite and undefined now and then.
    // Some rounds have the largest codes, or the smallest.
    const int kind = round % 8 == 4 ? below(4) : 0;
    for (size_t i = 0; i < rows * stored; i++) {
        weights[i] = (uint8_t)(kind == 1 ? 0x80 : kind == 2 ? 0xFF : kind == 3 ? 0 : below(256));
    }
    float *scratch = aligned_alloc(64, (martlet_multiply_scratch(columns) + 127) / 64 * 64);
    for (size_t p = 0; p < panels; p++) {
        martlet_pack_panel(type, &packing, weights + p * 16 * stored, stored, rows - p * 16 < 16 ? rows - p * 16 : 16,
                           columns, packed + p * martlet_panel_bytes(&packing, columns), scratch);
    }
    float *x = malloc(count * columns * 4);
    for (size_t i = 0; i < count * columns; i++) x[i] = activation(round);
    rounded expected = round_with(portable, x, count, columns), found = round_with(neon, x, count, columns);
    const size_t blocks = count * (columns / 32);
    bool equal = columns % 32 || (!memcmp(expected.codes, found.codes, blocks * 64) &&
                                  !memcmp(expected.sums, found.sums, blocks * 8) &&
                                  same(expected.scales, found.scales, blocks));
    const martlet_activations activations = {x, expected.codes, expected.scales, expected.sums, count, columns};
    // Rows of y lie further apart than they are long; what is between them and outside the panels stays as it was.
    const size_t stride = rows + (size_t)below(4), first = (size_t)below((int)panels), size = count * stride;
    float *y = malloc(size * 4), *z = malloc(size * 4);
    for (size_t i = 0; i < size; i++) y[i] = z[i] = (float)i;
    portable->quantized.multiply(&packing, packed, first, panels, &activations, y, stride, rows, scratch);
    neon->quantized.multiply(&packing, packed, first, panels, &activations, z, stride, rows, scratch);
    equal = equal && same(y, z, size);
    if (!equal) printf("quantized type %d: %zu x %zu x %zu round %d differs\n", type, count, rows, columns, round);
    release(expected);
    release(found);
    free(weights);
    free(packed);
    free(scratch);
    free(x);
    free(y);
    free(z);
    return !equal;
}

int main(void) {
    static const martlet_type types[] = {MARTLET_F32,  MARTLET_F16,  MARTLET_BF16, MARTLET_Q4_0, MARTLET_Q4_1,
                                         MARTLET_Q5_0, MARTLET_Q5_1, MARTLET_Q8_0, MARTLET_Q2_K, MARTLET_Q3_K,
                                         MARTLET_Q4_K, MARTLET_Q5_K, MARTLET_Q6_K};
    const int count = sizeof types / sizeof *types, rounds = 60;
    int wrong = 0;
    for (int t = 0; t < count; t++) {
        for (int round = 0; round < rounds; round++) wrong += check(types[t], round);
    }
    printf("quantized neon: %d products, %d wrong\n", count * rounds, wrong);
    return wrong != 0;
}
