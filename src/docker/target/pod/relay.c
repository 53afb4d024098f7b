#include "relay.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { max_ports = 64, max_places = 64, buffer_bytes = 65536, look_ms = 50, connect_ms = 2000 };
enum { max_sessions = 256, session_seconds = 120 };

struct place {
  struct in_addr address;
  int port;
};
struct port {
  int number;
  /** SOCK_STREAM or SOCK_DGRAM. */
  int type;
  int fd;
  unsigned next;
  int count;
  struct place places[max_places];
};

static int dial(struct in_addr address, int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr = address};
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    if (errno != EINPROGRESS || poll(&wait, 1, connect_ms) != 1 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
      close(fd);
      return -1;
    }
  }
  fcntl(fd, F_SETFL, 0);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static int write_all(int fd, const char *data, ssize_t size) {
  while (size > 0) {
    ssize_t done = write(fd, data, (size_t)size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    data += done;
    size -= done;
  }
  return 0;
}

/** Copies what is there one way. Returns 0 at the end of it, after telling the other side. */
static int carry(int from, int to) {
  static char buffer[buffer_bytes];
  ssize_t size = read(from, buffer, sizeof buffer);
  if (size > 0 && write_all(to, buffer, size) == 0) return 1;
  // A pipe has no half that could be shut: it is closed.
  if (shutdown(to, SHUT_WR) < 0 && errno == ENOTSOCK) close(to);
  return 0;
}

static void both_ways(int in, int out, int fd) {
  int up = 1, down = 1;
  while (down || up) {
    struct pollfd wait[2] = {{.fd = up ? in : -1, .events = POLLIN}, {.fd = down ? fd : -1, .events = POLLIN}};
    if (poll(wait, 2, -1) < 0 && errno != EINTR) return;
    if (wait[0].revents) up = carry(in, fd);
    if (wait[1].revents) down = carry(fd, out);
  }
}

/** Returns -1, and says so, when it is refused. */
static int dial_text(const char *address, int port) {
  struct in_addr to;
  int fd = inet_pton(AF_INET, address, &to) == 1 ? dial(to, port) : -1;
  if (fd < 0) fprintf(stderr, "connection refused\n");
  return fd;
}

int relay_connect(const char *address, int port) {
  int fd = dial_text(address, port);
  if (fd < 0) return 1;
  both_ways(0, 1, fd);
  return 0;
}

int relay_check(const char *address, int port) { return dial_text(address, port) < 0 ? 1 : 0; }

static int listen_on(int number, int type) {
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)number)};
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && (type == SOCK_DGRAM || listen(fd, 512) == 0))
    return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static struct port ports[max_ports], read_ports[max_ports];
static int count;

/** Returns -1 for a file that is not whole. */
static int parse(const char *file) {
  FILE *in = fopen(file, "r");
  if (!in) return -1;
  static char line[8192];
  int found = 0, whole = 0;
  while (!whole && fgets(line, sizeof line, in)) {
    char *rest = line, *word = strsep(&rest, " \n");
    if (strcmp(word, "end") == 0) {
      whole = 1;
      break;
    }
    if (found == max_ports) continue;
    struct port *port = &read_ports[found++];
    int type = strstr(word, "/udp") ? SOCK_DGRAM : SOCK_STREAM;
    *port = (struct port){.number = atoi(word), .type = type, .fd = -1};
    while ((word = strsep(&rest, " \n")) && port->count < max_places) {
      char *colon = strchr(word, ':');
      if (!colon) continue;
      *colon = 0;
      struct place place = {.port = atoi(colon + 1)};
      if (inet_pton(AF_INET, word, &place.address) == 1) port->places[port->count++] = place;
    }
  }
  fclose(in);
  return whole ? found : -1;
}

/** Takes up what was read: a port that stays keeps its socket, so that nothing in it is lost. */
static void take_up(int found) {
  for (int i = 0; i < found; i++) {
    for (int j = 0; j < count; j++) {
      if (ports[j].number != read_ports[i].number || ports[j].type != read_ports[i].type) continue;
      read_ports[i].fd = ports[j].fd;
      read_ports[i].next = ports[j].next;
      ports[j].fd = -1;
    }
  }
  for (int j = 0; j < count; j++)
    if (ports[j].fd >= 0) close(ports[j].fd);
  memcpy(ports, read_ports, sizeof ports);
  count = found;
  for (int i = 0; i < count; i++) {
    // Without a place to go to a connection is refused, as it is for a Service without endpoints.
    if (ports[i].count == 0 && ports[i].fd >= 0) {
      close(ports[i].fd);
      ports[i].fd = -1;
    }
  }
}

/** Opens the ports that lead somewhere; one that cannot be had is tried again with the next turn. */
static void open_ports(void) {
  for (int i = 0; i < count; i++)
    if (ports[i].count > 0 && ports[i].fd < 0) ports[i].fd = listen_on(ports[i].number, ports[i].type);
}

static void serve(struct port *port, int client) {
  for (int i = 0; i < port->count; i++) {
    struct place *place = &port->places[(port->next + (unsigned)i) % (unsigned)port->count];
    int fd = dial(place->address, place->port);
    if (fd < 0) continue;
    fcntl(client, F_SETFL, 0);
    both_ways(client, client, fd);
    return;
  }
  struct linger now = {.l_onoff = 1};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// ---- datagrams: each client has a socket of its own to the place it was led to --------------------------------

struct session {
  int fd;
  int number;
  struct sockaddr_in client;
  struct place place;
  time_t used;
};
static struct session sessions[max_sessions];
static int open_sessions;

/** A connection may outlast the port: what it kept open of the parent's would keep the port taken. */
static void leave_to_parent(void) {
  for (int i = 0; i < count; i++)
    if (ports[i].fd >= 0) close(ports[i].fd);
  for (int i = 0; i < open_sessions; i++) close(sessions[i].fd);
}

static void close_session(int i) {
  close(sessions[i].fd);
  sessions[i] = sessions[--open_sessions];
}

/** Returns NULL where there is nowhere to lead it. */
static struct session *session_for(struct port *port, const struct sockaddr_in *client) {
  for (int i = 0; i < open_sessions; i++)
    if (sessions[i].number == port->number && sessions[i].client.sin_port == client->sin_port &&
        sessions[i].client.sin_addr.s_addr == client->sin_addr.s_addr)
      return &sessions[i];
  if (open_sessions == max_sessions) {
    int oldest = 0;
    for (int i = 1; i < open_sessions; i++)
      if (sessions[i].used < sessions[oldest].used) oldest = i;
    close_session(oldest);
  }
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct place *place = &port->places[port->next++ % (unsigned)port->count];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)place->port), .sin_addr = place->address};
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
    if (fd >= 0) close(fd);
    return NULL;
  }
  struct session *session = &sessions[open_sessions++];
  *session = (struct session){.fd = fd, .number = port->number, .client = *client, .place = *place};
  return session;
}

/** Ends those that lead to a place that is none any more. */
static void drop_sessions(void) {
  for (int i = open_sessions - 1; i >= 0; i--) {
    int stays = 0;
    for (int j = 0; j < count; j++)
      for (int k = 0; ports[j].type == SOCK_DGRAM && ports[j].number == sessions[i].number && k < ports[j].count; k++)
        stays |= ports[j].places[k].port == sessions[i].place.port &&
                 ports[j].places[k].address.s_addr == sessions[i].place.address.s_addr;
    if (!stays) close_session(i);
  }
}

static char datagram[buffer_bytes];

static void carry_in(struct port *port) {
  struct sockaddr_in client;
  socklen_t size = sizeof client;
  ssize_t got = recvfrom(port->fd, datagram, sizeof datagram, 0, (struct sockaddr *)&client, &size);
  struct session *session = got < 0 || port->count == 0 ? NULL : session_for(port, &client);
  if (!session) return;
  session->used = time(NULL);
  // One whose other end is gone is made anew with the next.
  if (send(session->fd, datagram, (size_t)got, 0) < 0) close_session((int)(session - sessions));
}

/** Returns 0 for a session that is over. */
static int carry_out(struct session *session) {
  ssize_t got = recv(session->fd, datagram, sizeof datagram, 0);
  if (got < 0) return 0;
  session->used = time(NULL);
  for (int i = 0; i < count; i++)
    if (ports[i].type == SOCK_DGRAM && ports[i].number == session->number && ports[i].fd >= 0)
      sendto(ports[i].fd, datagram, (size_t)got, 0, (struct sockaddr *)&session->client, sizeof session->client);
  return 1;
}

static void carry_datagrams(const struct pollfd *wait, int number) {
  time_t now = time(NULL);
  // From the last: a session that goes is replaced by the last one.
  for (int i = number - 1; i >= 0; i--) {
    int over = wait[i].revents && !carry_out(&sessions[i]);
    if (over || now - sessions[i].used > session_seconds) close_session(i);
  }
}

int relay_forward(const char *file) {
  struct stat seen = {0};
  for (;;) {
    struct stat now;
    if (stat(file, &now) == 0 && (now.st_ino != seen.st_ino || now.st_mtim.tv_sec != seen.st_mtim.tv_sec ||
                                  now.st_mtim.tv_nsec != seen.st_mtim.tv_nsec || now.st_ctim.tv_sec != seen.st_ctim.tv_sec ||
                                  now.st_ctim.tv_nsec != seen.st_ctim.tv_nsec)) {
      int found = parse(file);
      if (found >= 0) {
        take_up(found);
        drop_sessions();
        seen = now;
      }
    }
    open_ports();
    struct pollfd wait[max_ports + max_sessions];
    int led = open_sessions;
    for (int i = 0; i < count; i++) wait[i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
    for (int i = 0; i < led; i++) wait[count + i] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
    if (poll(wait, (nfds_t)(count + led), look_ms) <= 0) continue;
    carry_datagrams(wait + count, led);
    for (int i = 0; i < count; i++) {
      if (!(wait[i].revents & POLLIN)) continue;
      if (ports[i].type == SOCK_DGRAM) {
        carry_in(&ports[i]);
        continue;
      }
      int client = accept4(ports[i].fd, 0, 0, SOCK_CLOEXEC);
      if (client < 0) continue;
      if (fork() == 0) {
        leave_to_parent();
        serve(&ports[i], client);
        _exit(0);
      }
      close(client);
      ports[i].next++;
    }
  }
}
