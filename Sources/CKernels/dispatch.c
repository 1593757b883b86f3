#include "fill.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static martlet_kernels tables[MARTLET_INSTRUCTION_SETS];
static bool available[MARTLET_INSTRUCTION_SETS];
static martlet_instruction_set active;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define FILL(set, suffix)                                    \
    do {                                                     \
        martlet_fill_gemm_##suffix(&tables[set].gemm);       \
        martlet_fill_quantized_##suffix(&tables[set].quantized); \
        martlet_fill_coded_##suffix(&tables[set].coded);    \
        martlet_fill_levels_##suffix(&tables[set].levels);   \
        martlet_fill_attention_##suffix(&tables[set].attention); \
        martlet_fill_vector_##suffix(&tables[set].vector);   \
        martlet_fill_training_##suffix(&tables[set].training); \
        martlet_fill_encoding_##suffix(&tables[set].encoding); \
        martlet_fill_recurrent_##suffix(&tables[set].recurrent); \
    } while (0)

static void fill(void) {
    for (int set = 0; set < MARTLET_INSTRUCTION_SETS; set++) {
        available[set] = martlet_cpu_supports((martlet_instruction_set)set);
        tables[set].instruction_set = (martlet_instruction_set)set;
        FILL(set, portable);
        if (set == MARTLET_NEON) FILL(set, neon);
        if (set >= MARTLET_AVX2) FILL(set, avx2);
        if (set >= MARTLET_AVX512) FILL(set, avx512);
    }
    active = MARTLET_PORTABLE;
    for (int set = MARTLET_INSTRUCTION_SETS - 1; set > 0; set--) {
        if (available[set]) {
            active = (martlet_instruction_set)set;
            break;
        }
    }
    const char *wish = getenv("MARTLET_KERNELS");
    for (int set = 0; wish && set < MARTLET_INSTRUCTION_SETS; set++) {
        if (available[set] && !strcmp(wish, martlet_instruction_set_name((martlet_instruction_set)set))) {
            active = (martlet_instruction_set)set;
        }
    }
}

const martlet_kernels *martlet_kernels_active(void) {
    pthread_once(&once, fill);
    return &tables[active];
}

const martlet_kernels *martlet_kernels_variant(martlet_instruction_set set) {
    pthread_once(&once, fill);
    if ((int)set < 0 || set >= MARTLET_INSTRUCTION_SETS || !available[set]) return NULL;
    return &tables[set];
}
