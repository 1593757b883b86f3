// Products of float32 matrices in bfloat16 on the tiles of AMX (Intel SDM vol. 1, chapter 18: TDPBF16PS).
//
// A factor of one part is x rounded to bfloat16. One of two parts is the sum of high = bf16(x) and low = bf16(x - high),
// which together have 16 bits of x; of the four products of parts the one of both low ones, below 2^-16 of the result, is
// left out. Sums are kept in float32. (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence
// datatype for higher-precision computations".)
//
// A panel has 32 rows of A, or 32 columns of B, and goes along k in steps of 32: for each step and each part two tiles of
// 16 x 64 bytes. A tile of A has a row of A in each of its rows; one of B has in each of its rows two neighbours in k of
// 16 columns.
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "include/CKernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIDE 32
#define STEP 32
/// Numbers of a tile, and of both tiles of a panel for a step.
#define TILE (16 * STEP)
#define PAIR (2 * TILE)

#define TILES_TARGET "amx-tile,amx-bf16,avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma"
#pragma clang attribute push(__attribute__((target(TILES_TARGET))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

INLINE __mmask16 lanes(ptrdiff_t n) { return n >= 16 ? 0xFFFF : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/// The numbers of bfloat16 in 16 lanes of 32 bits, as float32.
INLINE __m512 widened(__m512i halves) { return _mm512_castsi512_ps(_mm512_slli_epi32(halves, 16)); }

#include "transpose16.h"

/// Neighbours in k that lie side by side: 32 of a row. The second part is what the first has left; of an infinite number,
/// and of one that is beyond bfloat16's, it is none, as the product then is.
INLINE void along(const float *from, ptrdiff_t depth, int parts, __m512 out[2]) {
    __m512 first = _mm512_maskz_loadu_ps(lanes(depth), from);
    __m512 second = _mm512_maskz_loadu_ps(lanes(depth - 16), from + 16);
    const __m512i high = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    out[0] = _mm512_castsi512_ps(high);
    if (parts == 1) return;
    first = _mm512_sub_ps(first, widened(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(high))));
    second = _mm512_sub_ps(second, widened(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1))));
    out[1] = (__m512)_mm512_cvtne2ps_pbh(second, first);
}

/// Words 0, 16, 1, 17, …: what is converted together lies in two halves.
INLINE __m512i side_by_side(__m512 odd, __m512 even) {
    const __m512i places = _mm512_add_epi32(
        _mm512_set1_epi32(16 << 16),
        _mm512_mullo_epi32(_mm512_set1_epi32(1 << 16 | 1),
                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    return _mm512_permutexvar_epi16(places, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/// Neighbours in k that lie a stride apart: two of each of 16 rows.
INLINE void across(const float *from, ptrdiff_t depth_stride, ptrdiff_t depth, __mmask16 there, int parts,
                   __m512 out[2]) {
    __m512 even = depth > 0 ? _mm512_maskz_loadu_ps(there, from) : _mm512_setzero_ps();
    __m512 odd = depth > 1 ? _mm512_maskz_loadu_ps(there, from + depth_stride) : _mm512_setzero_ps();
    const __m512i high = side_by_side(odd, even);
    out[0] = _mm512_castsi512_ps(high);
    if (parts == 1) return;
    even = _mm512_sub_ps(even, widened(high));
    odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(_mm512_and_si512(high, _mm512_set1_epi32((int)0xFFFF0000))));
    out[1] = _mm512_castsi512_ps(side_by_side(odd, even));
}

/// Packs `count` <= 32 rows: `row_stride` or `depth_stride` is 1. With `rows_in_rows` a row of a tile holds one of them (A),
/// else two neighbours in k of 16 of them (B).
INLINE void pack_steps(const float *from, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t count,
                       ptrdiff_t depth, const int parts, const bool rows_in_rows, uint16_t *to) {
    for (ptrdiff_t k = 0; k < depth; k += STEP, to += parts * PAIR) {
        for (int tile = 0; tile < 2; tile++) {
            const ptrdiff_t first = 16 * tile, there = count - first;
            __m512 rows[2][16], both[2];
            if (depth_stride == 1) {
                UNROLL for (int r = 0; r < 16; r++) {
                    both[0] = both[1] = _mm512_setzero_ps();
                    if (r < there) along(from + (first + r) * row_stride + k, depth - k, parts, both);
                    rows[0][r] = both[0];
                    if (parts > 1) rows[1][r] = both[1];
                }
            } else {
                UNROLL for (int p = 0; p < 16; p++) {
                    across(from + (k + 2 * p) * depth_stride + first, depth_stride, depth - k - 2 * p, lanes(there),
                           parts, both);
                    rows[0][p] = both[0];
                    if (parts > 1) rows[1][p] = both[1];
                }
            }
            for (int part = 0; part < parts; part++) {
                if ((depth_stride == 1) != rows_in_rows) transpose16(rows[part]);
                uint16_t *tiles = to + part * PAIR + tile * TILE;
                UNROLL for (int r = 0; r < 16; r++) _mm512_storeu_ps(tiles + r * STEP, rows[part][r]);
            }
        }
    }
}

/// The same; steps that are there as a whole, in a panel that is, need no masks.
INLINE void pack_panel(const float *from, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t count,
                       ptrdiff_t depth, const int parts, const bool rows_in_rows, uint16_t *to) {
    const ptrdiff_t whole = count == SIDE ? depth / STEP * STEP : 0;
    for (ptrdiff_t k = 0; k < whole; k += STEP, to += parts * PAIR) {
        pack_steps(from + k * depth_stride, row_stride, depth_stride, SIDE, STEP, parts, rows_in_rows, to);
    }
    pack_steps(from + whole * depth_stride, row_stride, depth_stride, count, depth - whole, parts, rows_in_rows, to);
}

static void pack_rows(const float *a, ptrdiff_t row_stride, ptrdiff_t depth_stride, ptrdiff_t rows, ptrdiff_t depth,
                      int parts, uint16_t *packed) {
    if (parts == 1) {
        if (depth_stride == 1) pack_panel(a, row_stride, 1, rows, depth, 1, true, packed);
        else pack_panel(a, 1, depth_stride, rows, depth, 1, true, packed);
    } else {
        if (depth_stride == 1) pack_panel(a, row_stride, 1, rows, depth, 2, true, packed);
        else pack_panel(a, 1, depth_stride, rows, depth, 2, true, packed);
    }
}

static void pack_columns(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, ptrdiff_t columns,
                         ptrdiff_t depth, int parts, uint16_t *packed) {
    if (parts == 1) {
        if (depth_stride == 1) pack_panel(b, column_stride, 1, columns, depth, 1, false, packed);
        else pack_panel(b, 1, depth_stride, columns, depth, 1, false, packed);
    } else {
        if (depth_stride == 1) pack_panel(b, column_stride, 1, columns, depth, 2, false, packed);
        else pack_panel(b, 1, depth_stride, columns, depth, 2, false, packed);
    }
}

typedef struct __attribute__((packed)) {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

static void begin(void) {
    _Alignas(64) tile_configuration shape = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        shape.row_bytes[tile] = 64;
        shape.rows[tile] = 16;
    }
    _tile_loadconfig(&shape);
}

static void end(void) { _tile_release(); }

// Tiles 0 to 3 are C, 4 and 5 rows of A, 6 and 7 columns of B. What is loaded from memory is used as often as it can be
// before the next part takes its place.
#define MULTIPLY_ALL()            \
    do {                          \
        _tile_dpbf16ps(0, 4, 6);  \
        _tile_dpbf16ps(1, 4, 7);  \
        _tile_dpbf16ps(2, 5, 6);  \
        _tile_dpbf16ps(3, 5, 7);  \
    } while (0)
#define LOAD_ROWS(from)                          \
    do {                                         \
        _tile_loadd(4, from, 64);                \
        _tile_loadd(5, (from) + TILE, 64);       \
    } while (0)
#define LOAD_COLUMNS(from)                       \
    do {                                         \
        _tile_loadd(6, from, 64);                \
        _tile_loadd(7, (from) + TILE, 64);       \
    } while (0)

/// Reads or writes the tiles of C.
#define EACH_OF_C(operation)                               \
    do {                                                   \
        operation(0, c, bytes);                            \
        operation(1, c + 16, bytes);                       \
        operation(2, c + 16 * stride, bytes);              \
        operation(3, c + 16 * stride + 16, bytes);         \
    } while (0)

static void block_32(ptrdiff_t steps, int parts, const uint16_t *a, const uint16_t *b, float *c, ptrdiff_t stride,
                     bool accumulate) {
    const ptrdiff_t bytes = stride * (ptrdiff_t)sizeof *c;
    if (accumulate) {
        EACH_OF_C(_tile_loadd);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    if (parts == 1) {
        for (ptrdiff_t step = 0; step < steps; step++, a += PAIR, b += PAIR) {
            LOAD_ROWS(a);
            LOAD_COLUMNS(b);
            MULTIPLY_ALL();
        }
    } else {
        for (ptrdiff_t step = 0; step < steps; step++, a += 2 * PAIR, b += 2 * PAIR) {
            LOAD_ROWS(a + PAIR);
            LOAD_COLUMNS(b);
            MULTIPLY_ALL();
            LOAD_ROWS(a);
            MULTIPLY_ALL();
            LOAD_COLUMNS(b + PAIR);
            MULTIPLY_ALL();
        }
    }
    EACH_OF_C(_tile_stored);
}

static void block(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, int parts, const uint16_t *packed_a,
                  const uint16_t *packed_b, ptrdiff_t b_panel, float *c, ptrdiff_t c_stride, bool accumulate) {
    const ptrdiff_t steps = (depth + STEP - 1) / STEP;
    for (ptrdiff_t j = 0; j < columns; j += SIDE, packed_b += b_panel) {
        const ptrdiff_t width = columns - j < SIDE ? columns - j : SIDE;
        if (rows == SIDE && width == SIDE) {
            block_32(steps, parts, packed_a, packed_b, c + j, c_stride, accumulate);
            continue;
        }
        // A tile at the edge of C goes through a copy.
        _Alignas(64) float edge[SIDE * SIDE] = {0};
        for (ptrdiff_t r = 0; accumulate && r < rows; r++) {
            for (ptrdiff_t x = 0; x < width; x++) edge[r * SIDE + x] = c[r * c_stride + j + x];
        }
        block_32(steps, parts, packed_a, packed_b, edge, SIDE, accumulate);
        for (ptrdiff_t r = 0; r < rows; r++) {
            for (ptrdiff_t x = 0; x < width; x++) c[r * c_stride + j + x] = edge[r * SIDE + x];
        }
    }
}

#pragma clang attribute pop

static const martlet_tile_kernels kernels = {SIDE, STEP, pack_rows, pack_columns, begin, end, block};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool available;

/// Tiles are 8 KiB of state for each thread, which the system keeps only for processes that ask for it.
static void ask(void) {
    unsigned a, b, c, d;
    if (!martlet_cpu_supports(MARTLET_AVX512)) return;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    const unsigned bf16 = 1u << 22, tile = 1u << 24;
    if ((d & bf16) == 0 || (d & tile) == 0) return;
    const int request_permission = 0x1023, tile_data = 18;
    available = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

const martlet_tile_kernels *martlet_tile_kernels_active(void) {
    pthread_once(&once, ask);
    return available ? &kernels : NULL;
}
#else
const martlet_tile_kernels *martlet_tile_kernels_active(void) { return NULL; }
#endif
