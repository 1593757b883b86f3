// The NEON products with codes that are indices of 16 numbers against the portable ones, bit by bit.
#include "CKernels.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(void) {
    const martlet_kernels *portable = martlet_kernels_variant(MARTLET_PORTABLE);
    const martlet_kernels *neon = martlet_kernels_variant(MARTLET_NEON);
    const size_t rows = 1 + (size_t)below(60), count = 1 + (size_t)below(11), runs = 1 + (size_t)below(4);
    martlet_levels levels = {.run = 32 * (1 + (size_t)below(3))};
    levels.columns = levels.run * runs;
    for (int i = 0; i < 16; i++) {
        const int top = MARTLET_LEVEL_TOP;
        levels.numbers[i] = (int16_t)(below(4) ? below(2 * top + 1) - top : below(2) ? top : -top);
    }
    const size_t columns = levels.columns, panels = (rows + 15) / 16, size = martlet_levels_panel_bytes(&levels);
    uint8_t *packed = malloc(panels * size), *codes = malloc(16 * columns);
    float *scales = malloc(16 * runs * 4), *x = malloc(count * columns * 4);
    for (size_t p = 0; p < panels; p++) {
        for (size_t i = 0; i < 16 * columns; i++) codes[i] = (uint8_t)below(16);
        for (size_t i = 0; i < 16 * runs; i++) scales[i] = (float)(below(2001) - 1000) / 1000;
        martlet_pack_levels_panel(&levels, codes, scales, rows - p * 16 < 16 ? rows - p * 16 : 16, packed + p * size);
    }
    for (size_t i = 0; i < count * columns; i++) x[i] = (float)(below(1 << 20) - (1 << 19)) / (1 << 17);
    int8_t *digits = malloc(2 * count * columns);
    float *factors = malloc(count * columns / 8);
    int32_t *sums = malloc(count * columns / 4);
    portable->quantized.quantize(x, count, columns, digits, factors, sums);
    const martlet_activations activations = {x, digits, factors, sums, count, columns};
    const size_t stride = rows + (size_t)below(4), first = (size_t)below((int)panels), held = count * stride;
    float *y = malloc(held * 4), *z = malloc(held * 4);
    void *scratch = aligned_alloc(64, (martlet_multiply_scratch(columns) + 127) / 64 * 64);
    for (size_t i = 0; i < held; i++) y[i] = z[i] = (float)i;
    portable->levels.multiply(&levels, packed, first, panels, &activations, y, stride, rows, scratch);
    neon->levels.multiply(&levels, packed, first, panels, &activations, z, stride, rows, scratch);
    const int wrong = memcmp(y, z, held * 4) != 0;
    if (wrong) printf("levels: %zu x %zu x %zu differs\n", count, rows, columns);
    void *all[] = {packed, codes, scales, x, digits, factors, sums, y, z, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return wrong;
}

int main(void) {
    const int rounds = 300;
    int wrong = 0;
    for (int round = 0; round < rounds; round++) wrong += check();
    printf("levels neon: %d products, %d wrong\n", rounds, wrong);
    return wrong != 0;
}
