#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "changes.h"
#include "control.h"
#include "exec.h"
#include "frames.h"
#include "look.h"
#include "text.h"

enum { PROTOCOL_VERSION = 1, FIRST_STATE_MS = 1000, MOST_PENDING = 16 };

static struct inherited inherited;
/** The supervisor, -1 when there is none, and what it has still to answer. */
static int supervisor = -1;
static struct control_request pending[MOST_PENDING];
static unsigned pending_count;

static void clean_up(void) {
  abandon_changes();
  kill_execs();
}

/** The answer to a restart or a go. A go that nobody holds back is done. */
static void answer(uint8_t request, uint32_t id, const struct control_message *message, const char *why) {
  begin_frame(request == 'X' ? 'x' : 'g');
  put32(id);
  if (request == 'X') {
    put8(message != NULL && message->ok);
    if (message == NULL || !message->ok) {
      put_string(why);
    } else {
      put32(message->process.pid);
      put32((uint32_t)message->process.exit_code);
      put64(message->process.started_ms);
    }
  }
  end_frame();
}

static void lose_supervisor(void) {
  close(supervisor);
  supervisor = -1;
  while (pending_count > 0) {
    pending_count--;
    answer(pending[pending_count].type, pending[pending_count].id, NULL, "the process has ended, and its supervisor with it");
  }
}

static void put_state(const struct process *process) {
  begin_frame('s');
  put8(process->state);
  put32(process->pid);
  put32((uint32_t)process->exit_code);
  put64(process->started_ms);
  put32(process->runs);
  end_frame();
}

/** Sends on what the supervisor says. */
static void hear_supervisor(void) {
  struct control_message message;
  ssize_t length = recv(supervisor, &message, sizeof message, 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length != sizeof message) return lose_supervisor();
  if (message.type == 's') return put_state(&message.process);
  for (unsigned i = 0; i < pending_count; i++) {
    if (pending[i].id != message.id) continue;
    message.why[sizeof message.why - 1] = '\0';
    answer(pending[i].type, message.id, &message, message.why);
    pending[i] = pending[--pending_count];
    return;
  }
}

static void ask_supervisor(struct frame *frame) {
  struct control_request request = {.type = frame->type, .id = take32(frame)};
  if (frame->type == 'X') request.grace_ms = take32(frame);
  take_end(frame);
  if (supervisor < 0) return answer(request.type, request.id, NULL, "the process is not supervised");
  if (pending_count == MOST_PENDING) return answer(request.type, request.id, NULL, "too many requests at once");
  pending[pending_count++] = request;
  if (send(supervisor, &request, sizeof request, MSG_NOSIGNAL) != sizeof request) lose_supervisor();
}

static void dispatch(struct frame *frame) {
  if (is_change(frame->type)) return take_change(frame);
  switch (frame->type) {
    case 'Q':
      return take_query(frame);
    case 'W':
      return take_walk(frame);
    case 'F':
      return take_fetch(frame);
    case 'E':
      return take_exec(frame, &inherited);
    case 'K':
      return take_kill(frame);
    case 'X':
    case 'G':
      return ask_supervisor(frame);
    case 'N':
      begin_frame('n');
      put32(take32(frame));
      take_end(frame);
      return end_frame();
    default:
      die(2, "a frame of an unknown type came in");
  }
}

/** Says who answers, and in the same write how the process is. */
static void greet(void) {
  supervisor = connect_to_supervisor();
  if (supervisor >= 0) {
    struct pollfd ready = {.fd = supervisor, .events = POLLIN};
    if (poll(&ready, 1, FIRST_STATE_MS) != 1) {
      close(supervisor);
      supervisor = -1;
    }
  }
  begin_frame('h');
  put8(PROTOCOL_VERSION);
  put32(geteuid());
  put32(getegid());
  put8(supervisor >= 0);
  end_frame();
  if (supervisor >= 0) hear_supervisor();
  flush_output();
}

/** A descriptor that tells when a child has ended. */
static int watch_children(void) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  // One that is ignored would leave nothing to wait for.
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &children, &inherited.signals);
  return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

int serve(void) {
  enum { INPUT, CHILDREN, SUPERVISOR, FIRST_PIPE };
  struct pollfd ready[FIRST_PIPE + MOST_EXECS];
  struct signalfd_siginfo ended;
  struct frame frame;
  atexit(clean_up);
  signal(SIGPIPE, SIG_IGN);
  inherited.mask = umask(0);
  int children = watch_children();
  greet();
  for (;;) {
    ready[INPUT] = (struct pollfd){.fd = 0, .events = POLLIN};
    ready[CHILDREN] = (struct pollfd){.fd = children, .events = POLLIN};
    ready[SUPERVISOR] = (struct pollfd){.fd = supervisor, .events = POLLIN};
    if (poll(ready, FIRST_PIPE + add_exec_pipes(ready + FIRST_PIPE), -1) < 0) continue;
    read_exec_pipes(ready + FIRST_PIPE);
    if (ready[CHILDREN].revents != 0) {
      while (read(children, &ended, sizeof ended) > 0) continue;
      reap_execs();
    }
    if (ready[SUPERVISOR].revents != 0) hear_supervisor();
    if (ready[INPUT].revents != 0 && !read_input()) return 0;
    while (next_frame(&frame)) dispatch(&frame);
    flush_output();
  }
}
