// Packing floats of eight bits into panels.
#include "include/martlet_coded.h"
#include "include/martlet_quantized.h"

#include <string.h>

static size_t runs_of(const martlet_coded *coded) { return (coded->columns + coded->run - 1) / coded->run; }

size_t martlet_coded_panel_bytes(const martlet_coded *coded) {
    return (runs_of(coded) * 4 + coded->columns) * MARTLET_PANEL;
}

void martlet_pack_coded_panel(const martlet_coded *coded, const uint8_t *codes, const float *scales, size_t rows,
                              void *panel) {
    const size_t runs = runs_of(coded), columns = coded->columns;
    memset(panel, 0, martlet_coded_panel_bytes(coded));
    float *factors = panel;
    uint8_t *target = (uint8_t *)panel + runs * MARTLET_PANEL * 4;
    // Codes are computed as the halves of their bits.
    const float unit = coded->kind == MARTLET_CODE_E4M3 ? 256 : 1;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < runs; i++) factors[i * MARTLET_PANEL + r] = scales[r * runs + i] * unit;
        const uint8_t *row = codes + r * columns;
        for (size_t k = 0; k < columns; k++) target[k * MARTLET_PANEL + r] = row[k];
    }
}
