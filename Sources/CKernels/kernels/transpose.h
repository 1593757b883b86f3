// Transposes 16 rows of 16 floats. Include after lanes.h.
#pragma once

/// Four rounds, each of which interleaves row i with row i + 8.
INLINE void transpose16(f32x16 rows[LANES]) {
    for (int round = 0; round < 4; round++) {
        f32x16 mixed[LANES];
        for (int i = 0; i < 8; i++) {
            f32x16 a = rows[i], b = rows[i + 8];
            mixed[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            mixed[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(rows, mixed, sizeof mixed);
    }
}
