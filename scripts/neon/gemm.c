// The NEON and the portable matrix product against the written-out chain of fused multiply-adds, bit by bit.
#include "CKernels.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *random_floats(int count) {
    float *x = malloc((size_t)(count + 1) * sizeof *x);
    for (int i = 0; i < count; i++) x[i] = (float)(below(1 << 20) - (1 << 19)) / (1 << 19);
    x[count] = 7;
    return x;
}

static int check(const char *name, const martlet_gemm_kernels *g, int round) {
    int thin = round & 16, mr = g->tile_rows, nr = g->tile_columns;
    int m = 1 + below(thin ? mr : 3 * mr), n = 1 + below(3 * nr + 5), k = 1 + below(thin ? 300 : 60);
    int transpose_a = round & 1, transpose_b = round & 2, accumulate = (round & 4) != 0, inside = (round & 8) != 0;
    int as = (transpose_a ? m : k) + round % 3, bs = (transpose_b ? k : n) + round % 5, cs = n + 1;
    ptrdiff_t a_row = transpose_a ? 1 : as, a_depth = transpose_a ? as : 1;
    ptrdiff_t b_depth = transpose_b ? 1 : bs, b_column = transpose_b ? bs : 1;
    float *a = random_floats((transpose_a ? k : m) * as), *b = random_floats((transpose_b ? n : k) * bs);
    float *c = random_floats(m * cs), *expected = malloc((size_t)(m * cs) * sizeof *expected);
    memcpy(expected, c, (size_t)(m * cs) * sizeof *c);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            float acc = accumulate ? expected[i * cs + j] : 0;
            for (int x = 0; x < k; x++) acc = fmaf(a[i * a_row + x * a_depth], b[x * b_depth + j * b_column], acc);
            expected[i * cs + j] = acc;
        }
    }
    if (thin) {
        g->thin(m, n, k, a, a_row, a_depth, b, b_depth, b_column, c, cs, accumulate);
    } else {
        float *pa = random_floats((m + mr - 1) / mr * mr * k);
        float *pb = random_floats((n + g->lanes - 1) / g->lanes * g->lanes * k);
        g->pack_rows(a, a_row, a_depth, m, k, pa);
        g->pack_columns(b, b_depth, b_column, n, k, pb);
        g->block(m, n, k, pa, pb, c, cs, accumulate, inside);
        free(pa);
        free(pb);
    }
    int wrong = memcmp(c, expected, (size_t)(m * cs) * sizeof *c) != 0;
    if (wrong) printf("gemm %s: %d x %d x %d round %d differs\n", name, m, n, k, round);
    free(a);
    free(b);
    free(c);
    free(expected);
    return wrong;
}

int main(void) {
    int wrong = 0;
    for (int set = 0; set < MARTLET_INSTRUCTION_SETS; set++) {
        const martlet_kernels *table = martlet_kernels_variant((martlet_instruction_set)set);
        if (!table) continue;
        const char *name = martlet_instruction_set_name((martlet_instruction_set)set);
        for (int round = 0; round < 160; round++) wrong += check(name, &table->gemm, round);
        printf("gemm %s: 160 products, %d wrong\n", name, wrong);
    }
    return wrong != 0;
}
