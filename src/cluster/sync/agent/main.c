/**
 * devloop's agent: one static program, put into the containers that devloop syncs. It needs nothing of the image.
 *
 *   agent serve                                         answers the client on stdin and stdout
 *   agent run [--hold SECONDS] [--stop-signal NUMBER] [--once] -- COMMAND ARG…
 *                                                       runs the container's process, so that it can be restarted in place
 */
#include <string.h>

#include "serve.h"
#include "supervisor.h"
#include "text.h"

enum { LONGEST_HOLD_S = 24 * 3600, LAST_SIGNAL = 64 };

static _Noreturn void usage(void) {
  die(2, "usage: agent serve | agent run [--hold SECONDS] [--stop-signal NUMBER] [--once] -- COMMAND [ARG…]");
}

static int run(char **arguments) {
  struct supervision wanted = {0};
  for (; *arguments != NULL && strcmp(*arguments, "--") != 0; arguments++) {
    if (strcmp(*arguments, "--once") == 0) {
      wanted.once = true;
    } else if (strcmp(*arguments, "--hold") == 0 && arguments[1] != NULL) {
      long seconds = number_of(*++arguments, LONGEST_HOLD_S);
      if (seconds < 0) usage();
      wanted.hold_s = (unsigned)seconds;
    } else if (strcmp(*arguments, "--stop-signal") == 0 && arguments[1] != NULL) {
      wanted.stop_signal = (int)number_of(*++arguments, LAST_SIGNAL);
      if (wanted.stop_signal <= 0) usage();
    } else {
      usage();
    }
  }
  if (*arguments == NULL || arguments[1] == NULL) usage();
  wanted.command = arguments + 1;
  return supervise(&wanted);
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "serve") == 0) return serve();
  if (count >= 2 && strcmp(arguments[1], "run") == 0) return run(arguments + 2);
  usage();
}
