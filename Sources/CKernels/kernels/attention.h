// Attention over pages for one instruction set: tiles of up to 24 rows (a row is a query token and a head of the group)
// read the pages in order. For each page: scores by a register-tiled product, online softmax, and the values by the
// same product.
#include "lanes.h"
#include "functions.h"
#include "transpose.h"

#define PAGE MARTLET_PAGE_TOKENS
/// Two register tiles of AVX-512: a page is read from the second-level cache once for both.
#define TILE_ROWS 24
#define STRIP_ROWS 12
/// Floats between rows of a tile's buffers: one vector more than the largest head, so that rows whose size is a power
/// of two do not map to the same cache sets.
#define TILE_STRIDE (MARTLET_LARGEST_HEAD_DIMENSION + LANES)

// X(rows, vectors): register tiles, the widest first. The accumulators and one row of B fit the registers of the set.
#if defined(LANES_AVX512)
#define REGISTER_TILES(X) X(12, 2) X(8, 2) X(6, 4) X(4, 4) X(3, 4) X(2, 4) X(1, 4)
#elif defined(LANES_NEON)
#define REGISTER_TILES(X) X(6, 1) X(3, 2) X(2, 2) X(1, 4)
#elif defined(LANES_AVX2)
#define REGISTER_TILES(X) X(6, 1) X(4, 1) X(3, 1) X(2, 2) X(1, 4)
#else
#define REGISTER_TILES(X) X(1, 1)
#endif

typedef struct {
    /// Queries, running outputs, and scores, which are overwritten by weights.
    _Alignas(64) float q[TILE_ROWS * TILE_STRIDE];
    _Alignas(64) float out[TILE_ROWS * TILE_STRIDE];
    _Alignas(64) float p[TILE_ROWS * TILE_STRIDE];
    /// By row: the running maximum, and the factor for the sums so far when the maximum grows.
    _Alignas(64) float maximum[2 * LANES], correction[2 * LANES];
    /// Running sums of weights: key j of a page adds to lane j % 16.
    _Alignas(64) float sums[TILE_ROWS][LANES];
    /// The keys that a row attends to: the first, and one past the last.
    ptrdiff_t first[TILE_ROWS], end[TILE_ROWS];
    ptrdiff_t position[TILE_ROWS];
    float slope[TILE_ROWS];
    /// Bytes by key of the cache, or NULL: which keys between first and end a row attends to.
    const unsigned char *seen[TILE_ROWS];
    const float *bias[TILE_ROWS];
    ptrdiff_t rows;
} attention_tile;

#define ELEMENT float
#define NAMED(name) name##_f32
INLINE f32x16 load_elements_f32(const float *p) { return load(p); }
INLINE f32x16 load_half_lanes_f32(const float *p) { return load_part(p, 8); }
INLINE float narrowed_f32(float x) { return x; }
INLINE void store_elements_f32(float *p, f32x16 x) { store(p, x); }
#include "attention_product.h"
#include "attention_rows.h"
#undef ELEMENT
#undef NAMED

#include "attention_wide.h"

#define ELEMENT uint16_t
#define NAMED(name) name##_f16
INLINE f32x16 load_elements_f16(const uint16_t *p) { return widen_half(load_u16(p)); }
INLINE f32x16 load_half_lanes_f16(const uint16_t *p) {
    u16x16 h = 0;
    memcpy(&h, p, 8 * sizeof *p);
    return widen_half(h);
}
INLINE uint16_t narrowed_f16(float x) { return narrow_half(splat(x))[0]; }
INLINE void store_elements_f16(uint16_t *p, f32x16 x) { store_u16(p, narrow_half(x)); }
#include "attention_product.h"
#include "attention_rows.h"
#undef ELEMENT
#undef NAMED

#include "attention_quantized.h"

static void fill_attention(martlet_attention_kernels *table) {
    table->attend_f32 = attend_f32;
    table->attend_wide = attend_wide;
    table->attend_f16 = attend_f16;
    table->append_f32 = append_f32;
    table->append_f16 = append_f16;
    table->attend_q8 = attend_q8;
    table->attend_q4 = attend_q4;
    table->append_q8 = append_q8;
    table->append_q4 = append_q4;
}
