// Packing codes that are indices of 16 numbers into panels.
#include "include/martlet_levels.h"

#include <string.h>

size_t martlet_levels_panel_bytes(const martlet_levels *levels) {
    return (levels->columns / levels->run * 4 + levels->columns / 2) * MARTLET_PANEL;
}

void martlet_pack_levels_panel(const martlet_levels *levels, const uint8_t *codes, const float *scales, size_t rows,
                               void *panel) {
    const size_t columns = levels->columns, runs = columns / levels->run;
    memset(panel, 0, martlet_levels_panel_bytes(levels));
    float *factors = panel;
    uint8_t *target = (uint8_t *)panel + runs * MARTLET_PANEL * 4;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < runs; i++) factors[i * MARTLET_PANEL + r] = scales[r * runs + i];
        for (size_t k = 0; k < columns; k++) {
            const size_t at = k / 8 * 64 + r / 4 * 16 + k % 4 / 2 * 8 + r % 4 * 2 + k % 2;
            target[at] |= (uint8_t)((codes[r * columns + k] & 15) << (k % 8 < 4 ? 0 : 4));
        }
    }
}
