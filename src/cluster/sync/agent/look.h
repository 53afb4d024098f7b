/** What is there: paths one by one with their hashes, a whole tree, the bytes of a file. */
#ifndef LOOK_H
#define LOOK_H

#include "frames.h"

void take_query(struct frame *frame);
void take_walk(struct frame *frame);
void take_fetch(struct frame *frame);

#endif
