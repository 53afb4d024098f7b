/**
 *                    go, or the hold is over           exits by itself, and was never restarted: so does the container
 *   HELD ─────────────────────────────────► RUNNING ──────────────────────────────────────────────────────────────►
 *                                           │     ▲ │
 *                             restart asked │     │ │ exits by itself, after a restart
 *                                           ▼     │ ▼
 *                                     STOPPING ──►│◄── WAITING
 *                                   group is empty    time is over, or a restart is asked for
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "exec.h"
#include "text.h"

enum { MOST_CLIENTS = 8, MOST_PENDING = 32 };
/** How often a group that is to end is looked at, how long it may take after SIGKILL, and what counts as having run well. */
enum { LOOK_MS = 10, KILLED_MS = 3000, RAN_WELL_MS = 10000 };
static const unsigned again_after_s[] = {1, 2, 5, 10};

static const struct supervision *wanted;
static sigset_t inherited_signals;
static struct process process = {.state = HELD, .exit_code = -1};
/** The main process while there is one, and the group that it has left behind or leads. */
static pid_t main_pid, group;
/** Monotonic, in ms: when the present run began, and when the state is to be left. */
static uint64_t began, due;
static unsigned failures;
/** Devloop restarted it here: the container holds what would be lost with it. */
static bool restarted;
/** A signal from outside has asked the process to end: it is not to be started again. */
static bool ending;
static bool killed;

static int clients[MOST_CLIENTS];
static struct { int client; uint32_t id; } pending[MOST_PENDING];
static unsigned pending_count;

static uint64_t clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

static void drop_client(int *client) {
  for (unsigned i = 0; i < pending_count;) {
    if (pending[i].client == *client) pending[i] = pending[--pending_count];
    else i++;
  }
  close(*client);
  *client = -1;
}

/** One that does not read is not waited for: it will see that it has been dropped. */
static void tell(int *client, uint8_t type, uint32_t id, bool ok, const char *why) {
  struct control_message message = {.type = type, .id = id, .ok = ok, .process = process};
  join(message.why, sizeof message.why, why, NULL);
  if (send(*client, &message, sizeof message, MSG_NOSIGNAL) < 0) drop_client(client);
}

static void enter(enum state state) {
  process.state = (uint8_t)state;
  for (int i = 0; i < MOST_CLIENTS; i++)
    if (clients[i] >= 0) tell(&clients[i], 's', 0, true, "");
}

static void answer_restarts(bool ok, const char *why) {
  while (pending_count > 0) {
    int fd = pending[--pending_count].client;
    for (int i = 0; i < MOST_CLIENTS; i++)
      if (clients[i] == fd) tell(&clients[i], 'x', pending[pending_count].id, ok, why);
  }
}

/** What the child says through `report` is why it could not become the command; nothing once it has. */
struct failure {
  int code;
  char why[240];
};

static _Noreturn void become_command(int report) {
  struct failure failure = {0};
  setpgid(0, 0);
  // The terminal is given while the signal that would stop a background process for it is still blocked.
  if (isatty(0)) tcsetpgrp(0, getpid());
  sigprocmask(SIG_SETMASK, &inherited_signals, NULL);
  failure.code = become(wanted->command, failure.why, sizeof failure.why);
  ssize_t ignored = write(report, &failure, sizeof failure);
  (void)ignored;
  _exit(failure.code);
}

/** Starts the command; false with the reason when it cannot be. */
static bool start(struct failure *failure) {
  int report[2];
  *failure = (struct failure){.code = 126, .why = "cannot start a process"};
  if (pipe2(report, O_CLOEXEC) < 0) return false;
  pid_t pid = fork();
  if (pid == 0) become_command(report[1]);
  close(report[1]);
  ssize_t length = 0;
  if (pid > 0) {
    do length = read(report[0], failure, sizeof *failure);
    while (length < 0 && errno == EINTR);
  }
  close(report[0]);
  if (pid > 0 && length != 0) waitpid(pid, NULL, 0);
  if (pid < 0 || length != 0) return false;
  main_pid = group = pid;
  began = now_ms();
  process.pid = (uint32_t)pid;
  process.started_ms = clock_ms(CLOCK_REALTIME);
  process.runs++;
  return true;
}

/** Has it started again later; each time that it did not run well, later still. */
static void wait_to_start(const char *what, const char *how) {
  digits number;
  unsigned last = sizeof again_after_s / sizeof *again_after_s - 1;
  unsigned seconds = again_after_s[failures < last ? failures : last];
  failures++;
  due = now_ms() + seconds * 1000;
  say(what, how, " in ", decimal(number, seconds), "s, or with the next change", NULL);
  enter(WAITING);
}

/** Starts the command, for the first time or again. */
static void start_or_wait(void) {
  struct failure failure;
  if (start(&failure)) {
    enter(RUNNING);
    return answer_restarts(true, "");
  }
  process.exit_code = failure.code;
  if (!restarted || wanted->once) {
    say(failure.why, NULL);
    exit(failure.code);
  }
  wait_to_start(failure.why, "; it is tried again");
  answer_restarts(false, failure.why);
}

/** The main process has ended. */
static void ended(int code) {
  digits number;
  char what[64];
  main_pid = 0;
  process.pid = 0;
  process.exit_code = code;
  // Its group is still to end; then it is started again.
  if (process.state == STOPPING) return;
  group = 0;
  if (!restarted || ending || wanted->once) exit(code);
  if (now_ms() - began >= RAN_WELL_MS) failures = 0;
  join(what, sizeof what, "the process exited with ", decimal(number, (unsigned)code), NULL);
  wait_to_start(what, "; it starts again");
}

/** Takes in all children that have ended: those of the command too, once they have lost their parent. */
static void reap(void) {
  for (;;) {
    siginfo_t child = {0};
    int status;
    if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) < 0 || child.si_pid == 0) return;
    bool is_main = child.si_pid == main_pid;
    // As with a container's process, nothing outlives it. Before it is taken in: its number is still its own.
    if (is_main && process.state != STOPPING) kill(-group, SIGKILL);
    if (waitpid(child.si_pid, &status, 0) < 0 || !is_main) continue;
    ended(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  }
}

static int stop_signal(void) { return wanted->stop_signal > 0 ? wanted->stop_signal : SIGTERM; }

static void begin_to_stop(uint32_t grace_ms) {
  killed = false;
  due = now_ms() + grace_ms;
  enter(STOPPING);
  kill(-group, stop_signal());
}

static void request_restart(int client, uint32_t id, uint32_t grace_ms) {
  pending[pending_count].client = client;
  pending[pending_count++].id = id;
  restarted = true;
  failures = 0;
  if (process.state == STOPPING) {
    // It starts after this request, with what was changed before it.
    if (!killed && due > now_ms() + grace_ms) due = now_ms() + grace_ms;
  } else if (main_pid > 0) {
    begin_to_stop(grace_ms);
  } else {
    start_or_wait();
  }
}

/** Goes on once nothing of the group is left; what does not even end by SIGKILL is not waited for. */
static void look_at_group(void) {
  bool empty = main_pid == 0 && kill(-group, 0) < 0 && errno == ESRCH;
  if (!empty && now_ms() < due) return;
  if (!empty && !killed) {
    killed = true;
    due = now_ms() + KILLED_MS;
    kill(-group, SIGKILL);
    return;
  }
  if (main_pid > 0) {
    // Not even reaped: the kernel holds it (a disk that does not answer). A second one beside it would do harm.
    due = now_ms() + KILLED_MS;
    return answer_restarts(false, "the process does not end, not even by SIGKILL");
  }
  group = 0;
  if (ending) exit(process.exit_code);
  start_or_wait();
}

/** What is due when the time that a state may last is over. */
static void on_time(void) {
  if (process.state == STOPPING) return look_at_group();
  if (process.state == RUNNING || now_ms() < due) return;
  if (process.state == HELD) say("nobody said go in time: the process starts", NULL);
  start_or_wait();
}

static int ms_to_wait(void) {
  if (process.state == RUNNING) return -1;
  if (process.state == STOPPING) return LOOK_MS;
  uint64_t now = now_ms();
  return due > now ? (int)(due - now) : 0;
}

static bool asks_to_end(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT || signal == stop_signal();
}

static void forward(int signal) {
  // The last three are about this program's own terminal and output.
  if (signal == SIGCHLD || signal == SIGTTIN || signal == SIGTTOU || signal == SIGPIPE) return;
  if (asks_to_end(signal)) {
    ending = true;
    if (main_pid == 0 && process.state != STOPPING) exit(128 + signal);
  }
  if (main_pid > 0) kill(main_pid, signal);
}

static void read_signals(int signals) {
  struct signalfd_siginfo signal;
  while (read(signals, &signal, sizeof signal) == sizeof signal) forward((int)signal.ssi_signo);
  reap();
}

static void add_client(int listener) {
  int fd = accept_client(listener);
  for (int i = 0; fd >= 0 && i < MOST_CLIENTS; i++) {
    if (clients[i] >= 0) continue;
    clients[i] = fd;
    return tell(&clients[i], 's', 0, true, "");
  }
  if (fd >= 0) close(fd);
}

static void hear_client(int *client) {
  struct control_request request;
  ssize_t length = recv(*client, &request, sizeof request, 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length != sizeof request) return drop_client(client);
  if (request.type == 'G') {
    if (process.state == HELD) start_or_wait();
    tell(client, 'g', request.id, true, "");
  } else if (ending) {
    tell(client, 'x', request.id, false, "the process has been told to end");
  } else if (pending_count == MOST_PENDING) {
    tell(client, 'x', request.id, false, "too many requests at once");
  } else {
    request_restart(*client, request.id, request.grace_ms);
  }
}

static int take_signals(void) {
  sigset_t all;
  sigfillset(&all);
  // One that is ignored would leave nothing to wait for.
  signal(SIGCHLD, SIG_DFL);
  // The blocked ones reach this program even as the first of its container, where those without a handler are dropped.
  sigprocmask(SIG_SETMASK, &all, &inherited_signals);
  return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

int supervise(const struct supervision *supervision) {
  enum { SIGNALS, LISTENER, FIRST_CLIENT };
  struct pollfd ready[FIRST_CLIENT + MOST_CLIENTS];
  wanted = supervision;
  for (int i = 0; i < MOST_CLIENTS; i++) clients[i] = -1;
  int signals = take_signals();
  int listener = listen_as_supervisor();
  if (listener < 0) say("no socket to be found by: the process cannot be restarted in place", NULL);
  // Where this is not the first process of its container, what loses its parent comes here nevertheless.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  due = now_ms() + wanted->hold_s * 1000;
  if (wanted->hold_s == 0) start_or_wait();
  for (;;) {
    ready[SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
    ready[LISTENER] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < MOST_CLIENTS; i++)
      ready[FIRST_CLIENT + i] = (struct pollfd){.fd = clients[i], .events = POLLIN};
    if (poll(ready, FIRST_CLIENT + MOST_CLIENTS, ms_to_wait()) < 0) continue;
    if (ready[SIGNALS].revents != 0) read_signals(signals);
    for (int i = 0; i < MOST_CLIENTS; i++)
      if (ready[FIRST_CLIENT + i].revents != 0 && clients[i] >= 0) hear_client(&clients[i]);
    if (ready[LISTENER].revents != 0) add_client(listener);
    on_time();
  }
}
