#include "include/martlet_thread.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static _Thread_local martlet_thread_state state;

martlet_thread_state *martlet_thread(void) { return &state; }

static _Thread_local struct {
    void *bytes;
    size_t size;
} scratch;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void release(void *bytes) {
    free(bytes);
    scratch.bytes = NULL;
    scratch.size = 0;
}

static void make_key(void) { pthread_key_create(&key, release); }

void *martlet_thread_scratch(size_t bytes) {
    if (bytes <= scratch.size) return scratch.bytes;
    if (bytes > SIZE_MAX - 63) return NULL;
    void *larger = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!larger) return NULL;
    free(scratch.bytes);
    scratch.bytes = larger;
    scratch.size = bytes;
    // The value has a destructor, which runs when the thread ends.
    pthread_once(&once, make_key);
    pthread_setspecific(key, larger);
    return larger;
}
