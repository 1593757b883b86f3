// The stored block formats in GGML's layouts, and the decoded form of 32 columns of a row.
#pragma once
#include "include/martlet_quantized.h"

typedef struct { uint16_t d; uint8_t qs[16]; } q4_0;
typedef struct { uint16_t d, m; uint8_t qs[16]; } q4_1;
typedef struct { uint16_t d; uint8_t qh[4], qs[16]; } q5_0;
typedef struct { uint16_t d, m; uint8_t qh[4], qs[16]; } q5_1;
typedef struct { uint16_t d; int8_t qs[32]; } q8_0;
typedef struct { uint8_t scales[16], qs[64]; uint16_t d, dmin; } q2_K;
typedef struct { uint8_t hmask[32], qs[64], scales[12]; uint16_t d; } q3_K;
typedef struct { uint16_t d, dmin; uint8_t scales[12], qs[128]; } q4_K;
typedef struct { uint16_t d, dmin; uint8_t scales[12], qh[32], qs[128]; } q5_K;
typedef struct { uint8_t ql[128], qh[64]; int8_t scales[16]; uint16_t d; } q6_K;
typedef struct { uint16_t d; uint8_t qs[32], qh[16]; } iq1_s;
typedef struct { uint8_t qs[32], qh[16], scales[8]; } iq1_m;
typedef struct { uint16_t d; uint8_t qs[64]; } iq2_xxs;
typedef struct { uint16_t d; uint8_t qs[64], scales[8]; } iq2_xs;
typedef struct { uint16_t d; uint8_t qs[32], signs[32], qh[8], scales[8]; } iq2_s;
typedef struct { uint16_t d; uint8_t qs[64], signs[32]; } iq3_xxs;
typedef struct { uint16_t d; uint8_t qs[64], qh[8], signs[32], scales[4]; } iq3_s;
typedef struct { uint16_t d; uint8_t qs[16]; } iq4_nl;
typedef struct { uint16_t d; uint8_t scales_high[2], scales_low[4], qs[128]; } iq4_xs;
typedef struct { uint8_t qs[48], qh[4], d[2]; } tq1_0;
typedef struct { uint8_t qs[64], d[2]; } tq2_0;
typedef struct { uint8_t e, qs[16]; } mxfp4;

/// 32 columns of one row: their codes, and the scale and minimum of each half (equal where one pair covers both
/// halves).
typedef struct {
    uint8_t codes[32];
    float scale[2], minimum[2];
} block_values;

/// What an index of four bits stands for, and 128; of FP4 twice that, and 16, which five bits hold.
extern const uint8_t martlet_iq4_codes[16], martlet_fp4_codes[16];

/// Codes as indices, of the types that are packed so: IQ4_NL, IQ4_XS and MXFP4.
void read_index_block(martlet_type type, const void *row, size_t block, block_values *out);

/// Bytes of a panel's block before its codes.
static inline size_t header_bytes(const martlet_packing *p) {
    return (size_t)p->parts * 32 * (p->has_minimum ? 2 : 1) + (p->has_zeros ? MARTLET_PANEL : 0);
}

/// The bytes that a table has for the indices; NULL without a table.
static inline const uint8_t *codes_of_table(martlet_table table) {
    return table == MARTLET_TABLE_IQ4 ? martlet_iq4_codes : table == MARTLET_TABLE_FP4 ? martlet_fp4_codes : NULL;
}

/// The layouts of codes that are multiplied in a function of their own, one compiled for each: bits, parts, whether there
/// is a minimum, whether there are zeros, the table, the offset.
#define FOR_EVERY_LAYOUT(CASE)                              \
    CASE(4, 1, false, false, MARTLET_TABLE_NONE, 8)         \
    CASE(4, 1, true, false, MARTLET_TABLE_NONE, 0)          \
    CASE(4, 1, false, true, MARTLET_TABLE_NONE, 0)          \
    CASE(4, 1, false, false, MARTLET_TABLE_IQ4, 128)        \
    CASE(4, 1, false, false, MARTLET_TABLE_FP4, 16)         \
    CASE(5, 1, false, false, MARTLET_TABLE_NONE, 16)        \
    CASE(5, 1, true, false, MARTLET_TABLE_NONE, 0)          \
    CASE(8, 1, false, false, MARTLET_TABLE_NONE, 128)       \
    CASE(8, 1, false, true, MARTLET_TABLE_NONE, 0)          \
    CASE(8, 2, false, false, MARTLET_TABLE_NONE, 128)       \
    CASE(4, 2, true, false, MARTLET_TABLE_NONE, 0)          \
    CASE(4, 2, false, false, MARTLET_TABLE_NONE, 4)         \
    CASE(6, 2, false, false, MARTLET_TABLE_NONE, 32)

static inline bool has_layout(const martlet_packing *p, int bits, int parts, bool minimum, bool zeros,
                              martlet_table table, int offset) {
    return p->bits == bits && p->parts == parts && p->has_minimum == minimum && p->has_zeros == zeros &&
           p->table == table && p->offset == offset;
}

/// `read_block` for the types whose codes are indices of a table, and for the ternary types.
void read_table_block(martlet_type type, const void *row, size_t block, block_values *out);
