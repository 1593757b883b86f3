// What a thread remembers between operations.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct martlet_thread_state {
    /// Operations are not noted for gradients while this is true.
    bool gradients_disabled;
    /// A chain of graph nodes that is being taken apart, so that a long graph is not freed by recursion.
    void *_Nullable graveyard;
    /// Who is told of every operation, when somebody wants to know.
    void *_Nullable recorder;
} martlet_thread_state;

/// The calling thread's own state, zero at the start.
martlet_thread_state *_Nonnull martlet_thread(void);
