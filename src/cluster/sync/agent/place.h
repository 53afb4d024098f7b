/** Where a path below a root leads, without following any link below the root. */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>

/** A name in an open directory, whether there is something of that name or not. */
struct place {
  int directory;
  const char *name;
};

/** Whether missing directories on the way are made. */
enum way { AS_IT_IS, MADE };

/** The directory called `root`, as whoever named it would find it: links are followed. -1 and errno when there is none. */
int open_root(const char *root, enum way way);

/**
 * Finds a path below a root; its directory is the caller's to close. False and errno when it cannot be: EINVAL for a path that
 * is not a plain relative one, ELOOP for a link on the way. `path` is taken apart, and must outlive the place.
 */
bool find_place(const char *root, char *path, enum way way, struct place *place);

#endif
