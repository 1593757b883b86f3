// The pool's protocol.
//
// A region is claimed index by index through one word, `claim` = epoch << 32 | next index. The caller closes the word
// (next = CLOSED), writes the region's fields, and opens the word with the next epoch. A worker loads the word, reads
// the fields, and claims an index by compare-and-swap: success proves that the fields belong to that epoch, because
// they are only written while the word is closed. So a worker that wakes late finds nothing to claim and sleeps again,
// and no thread waits for it. The region ends when `unfinished` reaches zero.
//
// A worker increments the count of sleepers before it reads the word for the last time, and the caller reads the count
// after it opened the word; with sequentially consistent order at least one of the two sees the other (Dekker's
// algorithm).

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "include/martlet_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define CLOSED 0xFFFFFFFFu
#define LARGEST_REGION ((ptrdiff_t)1 << 30)
/// How long a thread spins before it sleeps: longer than the gaps inside a forward pass.
#define SPIN_NANOSECONDS 50000

/// A word on which threads sleep: a futex on Linux, a condition variable elsewhere.
typedef struct {
    _Alignas(64) _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
#if !defined(__linux__)
    pthread_mutex_t mutex;
    pthread_cond_t condition;
#endif
} parking;

struct martlet_pool {
    _Alignas(64) _Atomic uint64_t claim;
    /// The region's fields: written while `claim` is closed.
    _Atomic(martlet_pool_body) body;
    _Atomic(void *) context;
    _Atomic uint32_t count;
    _Alignas(64) _Atomic uint32_t unfinished;
    /// Incremented at every start of a region (workers sleep on it) and at every end (the caller sleeps on it).
    parking started, ended;
    _Alignas(64) pthread_mutex_t caller;
    _Atomic bool stopping;
    int workers;
    bool spins;
    uint32_t epoch;
    pthread_t threads[];
};

/// True in a worker and in a caller inside a region: nested regions run serially.
static _Thread_local bool inside;

static void parking_init(parking *p) {
    atomic_init(&p->value, 0);
    atomic_init(&p->sleepers, 0);
#if !defined(__linux__)
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->condition, NULL);
#endif
}

/// Sleeps while the word equals `seen`; may wake spuriously.
static void park(parking *p, uint32_t seen) {
    atomic_fetch_add(&p->sleepers, 1);
#if defined(__linux__)
    if (atomic_load(&p->value) == seen) syscall(SYS_futex, &p->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
#else
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&p->value) == seen) pthread_cond_wait(&p->condition, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
#endif
    atomic_fetch_sub(&p->sleepers, 1);
}

/// Changes the word and wakes at most `most` threads that sleep on it; makes a system call only if there are any.
static void unpark(parking *p, int most) {
    atomic_fetch_add(&p->value, 1);
    if (atomic_load(&p->sleepers) == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, &p->value, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
#else
    (void)most;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->condition);
    pthread_mutex_unlock(&p->mutex);
#endif
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// Claims and runs indices of the open region until none is left; returns whether it ran any.
static bool work(martlet_pool *pool) {
    bool any = false;
    uint64_t seen = atomic_load(&pool->claim);
    while (1) {
        uint32_t next = (uint32_t)seen;
        uint32_t count = atomic_load_explicit(&pool->count, memory_order_relaxed);
        martlet_pool_body body = atomic_load_explicit(&pool->body, memory_order_relaxed);
        void *context = atomic_load_explicit(&pool->context, memory_order_relaxed);
        if (next == CLOSED || next >= count) return any;
        if (!atomic_compare_exchange_weak(&pool->claim, &seen, seen + 1)) continue;
        any = true;
        body(context, (ptrdiff_t)next);
        if (atomic_fetch_sub(&pool->unfinished, 1) == 1) unpark(&pool->ended, 1);
        seen = atomic_load(&pool->claim);
    }
}

static void *serve(void *argument) {
    martlet_pool *pool = argument;
    inside = true;
    uint32_t seen = 0;
    while (!atomic_load(&pool->stopping)) {
        if (pool->spins) {
            int64_t deadline = now() + SPIN_NANOSECONDS;
            while (atomic_load_explicit(&pool->started.value, memory_order_acquire) == seen && now() < deadline) {
                for (int i = 0; i < 16; i++) {
                    if (atomic_load_explicit(&pool->started.value, memory_order_relaxed) != seen) break;
                    relax();
                }
            }
        }
        park(&pool->started, seen);
        // Read before working: a region that opens meanwhile changes the word, so the thread does not sleep through it.
        seen = atomic_load(&pool->started.value);
        work(pool);
    }
    return NULL;
}

static void run_open(martlet_pool *pool, uint32_t count, martlet_pool_body body, void *context) {
    uint64_t epoch = (uint64_t)++pool->epoch << 32;
    atomic_store(&pool->claim, epoch | CLOSED);
    atomic_store(&pool->body, body);
    atomic_store(&pool->context, context);
    atomic_store(&pool->count, count);
    atomic_store(&pool->unfinished, count);
    atomic_store(&pool->claim, epoch);
    int helpers = (int)count - 1;
    unpark(&pool->started, helpers < pool->workers - 1 ? helpers : pool->workers - 1);

    work(pool);
    int64_t deadline = pool->spins ? now() + SPIN_NANOSECONDS : 0;
    int spins = 0;
    while (1) {
        uint32_t seen = atomic_load(&pool->ended.value);
        if (atomic_load(&pool->unfinished) == 0) break;
        if (pool->spins && (++spins % 16 || now() < deadline)) relax();
        else park(&pool->ended, seen);
    }
}

bool martlet_pool_alone(bool alone) {
    bool before = inside;
    inside = alone;
    return before;
}

void martlet_pool_run(martlet_pool *pool, ptrdiff_t count, martlet_pool_body body, void *context) {
    // An index has 32 bits in the claim word; callers with more than 2^30 items should use ranges.
    if (count <= 1 || pool->workers == 1 || inside || count > LARGEST_REGION) {
        for (ptrdiff_t i = 0; i < count; i++) body(context, i);
        return;
    }
    pthread_mutex_lock(&pool->caller);
    inside = true;
    run_open(pool, (uint32_t)count, body, context);
    inside = false;
    pthread_mutex_unlock(&pool->caller);
}

martlet_pool *martlet_pool_create(int workers) {
    if (workers < 1) workers = 1;
    martlet_pool *pool = NULL;
    size_t size = sizeof(martlet_pool) + (size_t)workers * sizeof(pthread_t);
    if (posix_memalign((void **)&pool, 64, (size + 63) / 64 * 64)) return NULL;
    atomic_init(&pool->claim, CLOSED);
    atomic_init(&pool->body, NULL);
    atomic_init(&pool->context, NULL);
    atomic_init(&pool->count, 0);
    atomic_init(&pool->unfinished, 0);
    atomic_init(&pool->stopping, false);
    parking_init(&pool->started);
    parking_init(&pool->ended);
    pthread_mutex_init(&pool->caller, NULL);
    pool->epoch = 0;
    // With more threads than processors, a spinning thread would keep a working one from running.
    pool->spins = workers <= martlet_available_processors();
    pool->workers = workers;

    // Workers block all signals, so that the program's own threads handle them, except for faults: a blocked fault
    // would end the process instead of reaching its handler.
    sigset_t all, before;
    sigfillset(&all);
    const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int made = 1;
    while (made < workers && pthread_create(&pool->threads[made], NULL, serve, pool) == 0) made++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->workers = made;
    return pool;
}

void martlet_pool_destroy(martlet_pool *pool) {
    atomic_store(&pool->stopping, true);
    unpark(&pool->started, pool->workers);
    for (int i = 1; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->caller);
    free(pool);
}

int martlet_pool_workers(const martlet_pool *pool) { return pool->workers; }

int64_t martlet_pool_nanoseconds(const martlet_pool *pool) {
#if defined(__linux__)
    int64_t sum = 0;
    for (int i = 1; i < pool->workers; i++) {
        clockid_t clock;
        struct timespec t;
        if (pthread_getcpuclockid(pool->threads[i], &clock) || clock_gettime(clock, &t)) return -1;
        sum += (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    return sum;
#else
    (void)pool;
    return -1;
#endif
}
