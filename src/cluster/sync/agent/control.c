#include "control.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

/** The version is that of the structs above. */
#define NAME "devloop-agent-1-"

/** Zero when the name of the namespace cannot be read. */
static socklen_t make_address(struct sockaddr_un *address) {
  char namespace[64];
  ssize_t length = readlink("/proc/self/ns/mnt", namespace, sizeof namespace - 1);
  if (length < 0) return 0;
  namespace[length] = '\0';
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  size_t used = join(address->sun_path + 1, sizeof address->sun_path - 1, NAME, namespace, NULL);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + used);
}

/** The user at the other end: anybody in the pod's network can have taken or found the name. */
static bool is_of(int fd, uid_t user) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == user;
}

static int open_socket(int (*use)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_un address;
  socklen_t length = make_address(&address);
  if (length == 0) return -1;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && use(fd, (const struct sockaddr *)&address, length) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

int connect_to_supervisor(void) {
  int fd = open_socket(connect);
  // Root may speak to anybody's.
  if (fd < 0 || geteuid() == 0 || is_of(fd, geteuid()) || is_of(fd, 0)) return fd;
  close(fd);
  return -1;
}

int listen_as_supervisor(void) {
  int fd = open_socket(bind);
  if (fd < 0 || listen(fd, 8) == 0) return fd;
  close(fd);
  return -1;
}

int accept_client(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 || is_of(fd, geteuid()) || is_of(fd, 0)) return fd;
  close(fd);
  return -1;
}
