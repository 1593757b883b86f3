// The types that weights are stored as, numbered as GGUF numbers them.
#pragma once

typedef enum martlet_type {
    MARTLET_F32 = 0,
    MARTLET_F16 = 1,
    MARTLET_Q4_0 = 2,
    MARTLET_Q4_1 = 3,
    MARTLET_Q5_0 = 6,
    MARTLET_Q5_1 = 7,
    MARTLET_Q8_0 = 8,
    MARTLET_Q2_K = 10,
    MARTLET_Q3_K = 11,
    MARTLET_Q4_K = 12,
    MARTLET_Q5_K = 13,
    MARTLET_Q6_K = 14,
    MARTLET_BF16 = 30,
} martlet_type;
