// A fork-join pool of threads: the caller works too, workers spin for a short while between regions and then sleep.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct martlet_pool martlet_pool;
typedef void (*martlet_pool_body)(void *_Nullable context, ptrdiff_t index);

/// A pool of `workers` threads in all, the caller of `martlet_pool_run` being one of them. When the system refuses
/// threads the pool has fewer; NULL only when there is no memory.
martlet_pool *_Nullable martlet_pool_create(int workers);
/// Ends and joins the threads. No region may be running.
void martlet_pool_destroy(martlet_pool *_Nonnull pool);
/// Threads that take part in a region, the caller included.
int martlet_pool_workers(const martlet_pool *_Nonnull pool);

/// Calls `body(context, i)` once for each i in 0..<count, on any of the threads, and returns when all are done.
/// Allocates nothing. From inside a body it runs serially; from several threads, one region after the other.
void martlet_pool_run(martlet_pool *_Nonnull pool, ptrdiff_t count, martlet_pool_body _Nonnull body,
                      void *_Nullable context);

/// Whether regions that this thread begins run on it alone, so that others have the workers.
/// Returns what was so before.
bool martlet_pool_alone(bool alone);

/// Processor time that the threads of the pool have used, without their callers, in nanoseconds; -1 where the system
/// does not say.
int64_t martlet_pool_nanoseconds(const martlet_pool *_Nonnull pool);

/// Processors this process may use: its affinity mask, less where a control group's CPU quota allows less.
int martlet_available_processors(void);
/// MARTLET_THREADS where it is a number from 1 to 1024, else the available processors.
int martlet_default_workers(void);
