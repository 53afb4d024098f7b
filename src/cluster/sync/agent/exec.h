/** Commands that the client has run here. Each gets a process group of its own. */
#ifndef EXEC_H
#define EXEC_H

#include <poll.h>
#include <signal.h>
#include <sys/types.h>

#include "frames.h"

enum { MOST_EXECS = 16 };

/** What a command that is started must not inherit from this program. */
struct inherited {
  sigset_t signals;
  mode_t mask;
};

/** Replaces this process by the command. When that fails: 127 for one that is not found, 126 for others; `why` says it. */
int become(char *const *command, char *why, size_t size);

void take_exec(struct frame *frame, const struct inherited *inherited);
void take_kill(struct frame *frame);

/** The pipes to wait for; how many. */
nfds_t add_exec_pipes(struct pollfd *into);
void read_exec_pipes(const struct pollfd *ready);
/** Called when a child has ended. */
void reap_execs(void);
/** Nobody is there any more to hear of them. */
void kill_execs(void);

#endif
