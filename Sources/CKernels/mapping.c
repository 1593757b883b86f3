// A signal handler looks mappings up, so it must not lock or free anything: mappings are kept in a list of chunks that
// only grows. A slot is free while its start is zero; its other fields are written before its start.

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "include/martlet_mapping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 64

struct martlet_mapping {
    _Atomic uintptr_t start;
    _Atomic size_t size;
    _Atomic int descriptor;
    _Atomic bool damaged;
};

typedef struct piece {
    martlet_mapping slots[SLOTS];
    _Atomic(struct piece *) next;
} piece;

static piece first;
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;
static size_t page;

static martlet_mapping *find(uintptr_t address) {
    for (piece *p = &first; p; p = atomic_load_explicit(&p->next, memory_order_acquire)) {
        for (int i = 0; i < SLOTS; i++) {
            uintptr_t start = atomic_load_explicit(&p->slots[i].start, memory_order_acquire);
            if (start == 0 || address < start) continue;
            if (address - start < atomic_load_explicit(&p->slots[i].size, memory_order_relaxed)) return &p->slots[i];
        }
    }
    return NULL;
}

/// Maps zeros over everything after the file's present end, so that one fault is enough and the number of mappings
/// stays small; or over this page only, if the file still reaches it but it could not be read.
static bool cover(martlet_mapping *mapping, uintptr_t address) {
    uintptr_t start = atomic_load_explicit(&mapping->start, memory_order_relaxed);
    size_t size = atomic_load_explicit(&mapping->size, memory_order_relaxed);
    uintptr_t from = address / page * page, to = from + page;
    struct stat status;
    if (fstat(atomic_load_explicit(&mapping->descriptor, memory_order_relaxed), &status) == 0) {
        uintptr_t end = start + ((size_t)status.st_size + page - 1) / page * page;
        if (end <= from) {
            from = end;
            to = start + (size + page - 1) / page * page;
        }
    }
    // Marked first: every thread that can see the zeros can see the mark.
    atomic_store(&mapping->damaged, true);
    return mmap((void *)from, to - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void handle(int signal, siginfo_t *info, void *context) {
    int saved = errno;
    martlet_mapping *mapping = find((uintptr_t)info->si_addr);
    if (mapping && cover(mapping, (uintptr_t)info->si_addr)) {
        errno = saved;
        return;
    }
    errno = saved;
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else {
        // The instruction faults again after the return, and then the process ends as it would have without the
        // handler.
        sigaction(signal, &before, NULL);
    }
}

static void install(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGBUS, &action, &before);
}

martlet_mapping *martlet_mapping_watch(void *start, size_t size, int descriptor) {
    pthread_once(&once, install);
    pthread_mutex_lock(&writers);
    martlet_mapping *found = NULL;
    for (piece *p = &first; !found;) {
        for (int i = 0; i < SLOTS && !found; i++) {
            if (atomic_load_explicit(&p->slots[i].start, memory_order_relaxed) == 0) found = &p->slots[i];
        }
        piece *next = atomic_load_explicit(&p->next, memory_order_relaxed);
        if (!found && !next) {
            next = calloc(1, sizeof(piece));
            if (!next) break;
            atomic_store_explicit(&p->next, next, memory_order_release);
        }
        p = next;
    }
    if (found) {
        atomic_store_explicit(&found->size, size, memory_order_relaxed);
        atomic_store_explicit(&found->descriptor, descriptor, memory_order_relaxed);
        atomic_store_explicit(&found->damaged, false, memory_order_relaxed);
        atomic_store_explicit(&found->start, (uintptr_t)start, memory_order_release);
    }
    pthread_mutex_unlock(&writers);
    return found;
}

void martlet_mapping_unwatch(martlet_mapping *mapping) {
    atomic_store_explicit(&mapping->start, 0, memory_order_release);
}

bool martlet_mapping_is_damaged(const martlet_mapping *mapping) {
    return atomic_load_explicit(&mapping->damaged, memory_order_acquire);
}
