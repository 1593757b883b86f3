// The kernels of Martlet: C with intrinsics behind one table of function pointers.
//
// A family of kernels (gemm, quantised, attention, vector, …) declares a struct of function pointers in its own header
// and one fill function per instruction set in its own file. A fill function sets the entries that this set computes
// faster than the set below it. A table starts with the portable C functions and is then filled from the lowest set to
// the highest, so every entry can be called.
#pragma once

#include "martlet_cpu.h"
#include "martlet_gemm.h"
#include "martlet_tiles.h"
#include "martlet_quantized.h"
#include "martlet_coded.h"
#include "martlet_levels.h"
#include "martlet_attention.h"
#include "martlet_vector.h"
#include "martlet_training.h"
#include "martlet_encoding.h"
#include "martlet_recurrent.h"
#include "martlet_pool.h"
#include "martlet_thread.h"
#include "martlet_mapping.h"

typedef struct martlet_kernels {
    martlet_instruction_set instruction_set;
    martlet_gemm_kernels gemm;
    martlet_quantized_kernels quantized;
    martlet_coded_kernels coded;
    martlet_levels_kernels levels;
    martlet_attention_kernels attention;
    martlet_vector_kernels vector;
    martlet_training_kernels training;
    martlet_encoding_kernels encoding;
    martlet_recurrent_kernels recurrent;
} martlet_kernels;

/// The table in use: that of the best instruction set this processor runs, or of the set that MARTLET_KERNELS names
/// (portable, avx2, avx512, neon) if the processor runs it. Chosen at the first call, constant afterwards.
const martlet_kernels *_Nonnull martlet_kernels_active(void);

/// The table of one instruction set, or NULL where this processor or build does not have the set. For tests.
const martlet_kernels *_Nullable martlet_kernels_variant(martlet_instruction_set set);
