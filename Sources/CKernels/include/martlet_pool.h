// A fork-join thread pool: the caller works too; between regions workers spin for a short time and then sleep.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct martlet_pool martlet_pool;
typedef void (*martlet_pool_body)(void *_Nullable context, ptrdiff_t index);

/// A pool of `workers` threads in total, including the caller of `martlet_pool_run`. It has fewer if the system refuses
/// to create threads; NULL only when there is no memory.
martlet_pool *_Nullable martlet_pool_create(int workers);
/// Ends and joins the threads. No region may be running.
void martlet_pool_destroy(martlet_pool *_Nonnull pool);
/// Threads that take part in a region, the caller included.
int martlet_pool_workers(const martlet_pool *_Nonnull pool);

/// Calls `body(context, i)` once for each i in 0..<count, on any of the threads, and returns when all calls are done.
/// Allocates nothing. Nested calls run serially; concurrent calls from several threads run one region after the other.
void martlet_pool_run(martlet_pool *_Nonnull pool, ptrdiff_t count, martlet_pool_body _Nonnull body,
                      void *_Nullable context);

/// Sets whether regions that this thread starts run on this thread alone, so that the workers are free for other
/// threads. Returns the previous setting.
bool martlet_pool_alone(bool alone);

/// Processor time used by the pool's workers, without the callers, in nanoseconds; -1 if the system does not report it.
int64_t martlet_pool_nanoseconds(const martlet_pool *_Nonnull pool);

/// Processors that this process may use: its affinity mask, or the control group's CPU quota if that is lower.
int martlet_available_processors(void);
/// MARTLET_THREADS if it is a number from 1 to 1024, else the available processors.
int martlet_default_workers(void);
