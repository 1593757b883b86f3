// Activations rounded to eight bits with one scale for a token, for one instruction set: TARGET is the attribute that
// permits its instructions. Loops are plain, so that the compiler turns them into vectors.
#include <math.h>
#include <string.h>

TARGET static void quantize_tokens(const float *values, size_t rows, size_t columns, float threshold, int8_t *codes,
                                   float *scales, int32_t *sums) {
    // Magnitudes are compared as integers, whose order is that of floats.
    uint32_t limit;
    memcpy(&limit, &threshold, sizeof limit);
    const size_t blocks = columns / MARTLET_BLOCK;
    for (size_t row = 0; row < rows; row++) {
        const float *x = values + row * columns;
        uint32_t top = 0, most = 0;
        for (size_t k = 0; k < columns; k++) {
            uint32_t size;
            memcpy(&size, x + k, sizeof size);
            size &= 0x7FFFFFFF;
            const uint32_t inside = size < limit ? size : 0;
            most = size > most ? size : most;
            top = inside > top ? inside : top;
        }
        float largest;
        memcpy(&largest, &top, sizeof largest);
        const bool finite = most < 0x7F800000;
        // Of smaller numbers the inverse is none; they count as zeros.
        const float inverse = finite && largest > 0x1p-100f ? 127 / largest : 0;
        const float scale = finite ? largest / (127 * 256) : NAN;
        for (size_t b = row * blocks; b < (row + 1) * blocks; b++) {
            int8_t *digits = codes + b * 2 * MARTLET_BLOCK;
            memset(digits, 0, 2 * MARTLET_BLOCK);
            scales[b] = scale;
            int32_t sum[2] = {0, 0};
            for (size_t i = 0; i < MARTLET_BLOCK && finite; i++) {
                const float value = x[(b - row * blocks) * MARTLET_BLOCK + i];
                uint32_t size;
                memcpy(&size, &value, sizeof size);
                size &= 0x7FFFFFFF;
                const int32_t code = (int32_t)rintf(size < limit ? value * inverse : 0);
                digits[i] = (int8_t)code;
                sum[i / 16] += 256 * code;
            }
            sums[2 * b] = sum[0];
            sums[2 * b + 1] = sum[1];
        }
    }
}
