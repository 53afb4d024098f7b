/**
 * What `serve` and the supervisor say to one another, in the same container: packets over an abstract unix socket. Its name holds
 * the inode of the mount namespace, which the containers of a pod never share, whatever else they do.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

/** As they go to the client. */
enum state { HELD, RUNNING, WAITING, STOPPING };

struct process {
  uint8_t state;
  uint32_t pid;
  /** Of the last run; -1 before it has ended. 128 + n when signal n ended it. */
  int32_t exit_code;
  /** Of the present run, in ms since the epoch. */
  uint64_t started_ms;
  uint32_t runs;
};

/** 'X': restart, 'G': go. Both sides are of one version, which the socket's name holds: a struct will do. */
struct control_request {
  uint8_t type;
  uint32_t id;
  uint32_t grace_ms;
};

/** 's': the state has changed; 'x' and 'g' answer the requests. */
struct control_message {
  uint8_t type;
  uint32_t id;
  bool ok;
  struct process process;
  char why[256];
};

/** -1 when there is no supervisor, or one of another user's. */
int connect_to_supervisor(void);
/** -1 when that cannot be. */
int listen_as_supervisor(void);
/** The next who may give orders; -1 when there is none, or not one who may. */
int accept_client(int listener);

#endif
