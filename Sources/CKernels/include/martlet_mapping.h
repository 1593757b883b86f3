// Memory-mapped files that another process may truncate while they are read.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// A watched mapping. Slots are never freed, but reused.
typedef struct martlet_mapping martlet_mapping;

/// Watches a mapping. From now on, reading a page of it that no longer has a file behind it, or cannot be read, gives
/// zeros and marks the mapping as damaged; without this, SIGBUS would end the process. Faults at other addresses go to
/// the previous signal handler.
///
/// The first call installs a handler for SIGBUS.
/// @param start  the start of the mapping, page-aligned
/// @param descriptor  the file, which must stay open while the mapping is watched
/// @return NULL when no memory is available; the mapping is then not watched
martlet_mapping *_Nullable martlet_mapping_watch(void *_Nonnull start, size_t size, int descriptor);

/// Ends the watch; call it before unmapping.
void martlet_mapping_unwatch(martlet_mapping *_Nonnull mapping);

/// Whether zeros have been read in place of the file's contents.
bool martlet_mapping_is_damaged(const martlet_mapping *_Nonnull mapping);
