// Files mapped into memory that may be cut short by somebody else while they are read.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// A map that is watched. Never freed, but used again.
typedef struct martlet_mapping martlet_mapping;

/// From now on a read of a page of the map that has no file behind it any more, or cannot be read, gives zeros and marks
/// the map as damaged, where it would end the process with SIGBUS. Faults elsewhere go to whoever handled them before.
///
/// The first call installs a handler for SIGBUS.
/// @param start  of the map, on a page
/// @param descriptor  the file, open for as long as the map is watched
/// @return NULL without memory; the map is then as any other
martlet_mapping *_Nullable martlet_mapping_watch(void *_Nonnull start, size_t size, int descriptor);

/// Ends the watch; to be called before the map is taken away.
void martlet_mapping_unwatch(martlet_mapping *_Nonnull mapping);

/// Zeros have been read in place of the file's contents.
bool martlet_mapping_is_damaged(const martlet_mapping *_Nonnull mapping);
