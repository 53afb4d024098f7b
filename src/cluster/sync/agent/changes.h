/** Batches of changes: files, links and directories that are made or removed. Each is carried out as it comes. */
#ifndef CHANGES_H
#define CHANGES_H

#include <stdbool.h>

#include "frames.h"

/** Whether a frame of this type is part of a batch. */
bool is_change(uint8_t type);
void take_change(struct frame *frame);

/** Removes what an unfinished file has left behind: called when the program ends. */
void abandon_changes(void);

#endif
