#include "include/martlet_thread.h"

static _Thread_local martlet_thread_state state;

martlet_thread_state *martlet_thread(void) { return &state; }
