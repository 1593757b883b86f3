// Per-thread state that persists between operations.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct martlet_thread_state {
    /// While true, operations are not recorded on the tape.
    bool gradients_disabled;
    /// A list of graph nodes being freed, so that a long graph is not freed by recursion.
    void *_Nullable graveyard;
    /// The recorder of this thread's operations, or NULL.
    void *_Nullable recorder;
    /// Numbers of bfloat16 that factors of large products are computed with; 0 for float32.
    int matmul_parts;
} martlet_thread_state;

/// The state of the calling thread; initially zero.
martlet_thread_state *_Nonnull martlet_thread(void);

/// At least `bytes` bytes for the calling thread, aligned to 64: valid until its next call, freed when the thread ends.
/// For kernels that would otherwise allocate in every task. NULL if there is no memory.
void *_Nullable martlet_thread_scratch(size_t bytes);
