// What a pod and a Service of the docker target need in a container of their own. README.md says what each word does.
#include "relay.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) {
  (void)number;
  _exit(0);
}

/** Holds the pod's network: does nothing until it is told to stop. */
static _Noreturn void hold(void) {
  for (;;) pause();
}

static int failed_at(const char *path) {
  fprintf(stderr, "%s: %s\n", path, strerror(errno));
  return 1;
}

/** Makes a directory below a volume's root, and those above it, with the root's mode as the kubelet does. What is there stays as it is. */
static int make_part(const char *root, char *part) {
  struct stat of;
  int made;
  if (chdir(root) < 0 || stat(".", &of) < 0) return failed_at(root);
  for (char *slash = strchr(part, '/');; slash = strchr(slash + 1, '/')) {
    if (slash) *slash = 0;
    made = mkdir(part, of.st_mode & 0777) == 0;
    if (!made && errno != EEXIST) return failed_at(part);
    if (!slash) break;
    *slash = '/';
  }
  // The umask took from it.
  return made && chmod(part, of.st_mode & 02777) < 0 ? failed_at(part) : 0;
}

/** Removes files, those that are not there as well. */
static int remove_all(char **paths) {
  int failed = 0;
  for (; *paths; paths++)
    if (unlink(*paths) < 0 && errno != ENOENT) failed = failed_at(*paths);
  return failed;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  const char *word = argc > 1 ? argv[1] : "";
  if (strcmp(word, "connect") == 0 && argc == 4) return relay_connect(argv[2], atoi(argv[3]));
  if (strcmp(word, "check") == 0 && argc == 4) return relay_check(argv[2], atoi(argv[3]));
  if (strcmp(word, "mkdir") == 0 && argc == 4) return make_part(argv[2], argv[3]);
  if (strcmp(word, "remove") == 0) return remove_all(argv + 2);
  // As the first process of a container it has no default ends.
  signal(SIGTERM, leave);
  signal(SIGINT, leave);
  signal(SIGCHLD, SIG_IGN);
  if (strcmp(word, "hold") == 0) hold();
  if (strcmp(word, "forward") == 0 && argc == 3) return relay_forward(argv[2]);
  fprintf(stderr, "usage: pod hold | forward FILE | connect ADDRESS PORT | check ADDRESS PORT | mkdir ROOT PART | remove FILE...\n");
  return 2;
}
