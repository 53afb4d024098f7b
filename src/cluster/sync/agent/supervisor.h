/** Runs a command as the process of a container, so that it can be restarted in place. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdbool.h>

struct supervision {
  char *const *command;
  /** How long to wait for a go before the first start, in s. */
  unsigned hold_s;
  /** Asks the process to end, as the image says it; 0: SIGTERM. */
  int stop_signal;
  /** Ends with the process, whoever started it last. */
  bool once;
};

int supervise(const struct supervision *wanted);

#endif
