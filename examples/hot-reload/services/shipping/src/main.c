#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rates.h"

static char **arguments;

/* Starts the program at this one's path, which a build may have replaced. The process stays, and its container with it. */
static void start_anew(int signal_number) {
  sigset_t all;
  (void)signal_number;
  /* What is blocked here stays blocked in the new program. */
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  execv(arguments[0], arguments);
  _exit(1);
}

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static int listen_on(int port) {
  struct sockaddr_in address;
  int yes = 1;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) {
    perror("shipping cannot listen");
    exit(1);
  }
  return listener;
}

static void answer(int connection, const char *started) {
  char request[4096], body[512], head[256], pod[128] = "";
  int cents = shipping_cents(850);
  /* The path does not matter: there is one answer. */
  if (read(connection, request, sizeof request) <= 0)
    return;
  gethostname(pod, sizeof pod - 1);
  snprintf(body, sizeof body, "{\"text\": \"a parcel of 850 g costs %d.%02d €\", \"started\": \"%s\", \"pod\": \"%s\"}\n",
           cents / 100, cents % 100, started, pod);
  snprintf(head, sizeof head,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
           "Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n",
           (int)strlen(body));
  if (write(connection, head, strlen(head)) < 0 || write(connection, body, strlen(body)) < 0)
    perror("shipping");
}

int main(int count, char **values) {
  char started[32];
  time_t now = time(NULL);
  int listener = listen_on(8080);
  (void)count;
  arguments = values;
  strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  signal(SIGHUP, start_anew);
  signal(SIGTERM, end);
  signal(SIGPIPE, SIG_IGN);
  fcntl(listener, F_SETFD, FD_CLOEXEC);
  printf("shipping listens on port 8080\n");
  fflush(stdout);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0)
      continue;
    fcntl(connection, F_SETFD, FD_CLOEXEC);
    answer(connection, started);
    close(connection);
  }
}
