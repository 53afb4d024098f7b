#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

enum { NOT_FOUND = 127, CANNOT_RUN = 126 };
/** What a pipe holds: a child of the command may keep it open and go on writing for ever. */
enum { PIPE_CHUNKS = 2, CHUNK = 32 << 10 };

static struct exec {
  bool used;
  uint32_t id;
  pid_t pid;
  int output;
} execs[MOST_EXECS];

int become(char *const *command, char *why, size_t size) {
  execvp(command[0], command);
  bool searched = errno == ENOENT && strchr(command[0], '/') == NULL;
  int code = errno == ENOENT || errno == ENOTDIR ? NOT_FOUND : CANNOT_RUN;
  // As runc has it: for what is there, but not in a form that this machine runs, the kernel's word.
  const char *reason = searched ? "executable file not found in $PATH" : strerror(errno);
  join(why, size, "cannot start \"", command[0], "\": ", reason, NULL);
  return code;
}

static void answer(uint32_t id, int code, const char *why) {
  if (why != NULL) {
    begin_frame('o');
    put32(id);
    put_bytes("devloop: ", 9);
    put_bytes(why, strlen(why));
    put_bytes("\n", 1);
    end_frame();
  }
  begin_frame('e');
  put32(id);
  put32((uint32_t)code);
  end_frame();
}

/** The child's side. Its stdin is at its end at once; a pipe does that where there is no /dev/null. */
static _Noreturn void run(char *const *command, const char *workdir, int output, const struct inherited *inherited) {
  int empty[2];
  char why[1024];
  setpgid(0, 0);
  if (pipe2(empty, O_CLOEXEC) == 0) dup2(empty[0], 0);
  dup2(output, 1);
  dup2(output, 2);
  umask(inherited->mask);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &inherited->signals, NULL);
  if (workdir[0] != '\0' && chdir(workdir) < 0) {
    say("cannot change to ", workdir, ": ", strerror(errno), NULL);
    _exit(CANNOT_RUN);
  }
  int code = become(command, why, sizeof why);
  say(why, NULL);
  _exit(code);
}

static const char *start(uint32_t id, char *const *command, const char *workdir, const struct inherited *inherited) {
  struct exec *exec = execs;
  while (exec < execs + MOST_EXECS && exec->used) exec++;
  if (exec == execs + MOST_EXECS) return "too many commands run at once";
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return strerror(errno);
  pid_t pid = fork();
  if (pid == 0) run(command, workdir, ends[1], inherited);
  int error = errno;
  // Both sides do it: whoever comes first, the group is there when it is to be killed.
  if (pid > 0) setpgid(pid, pid);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return strerror(error);
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *exec = (struct exec){.used = true, .id = id, .pid = pid, .output = ends[0]};
  return NULL;
}

void take_exec(struct frame *frame, const struct inherited *inherited) {
  uint32_t id = take32(frame);
  const char *workdir = take_string(frame);
  uint32_t count = take32(frame);
  // Each takes four bytes at least, which bounds what is allocated.
  if (count > (size_t)(frame->end - frame->at) / 4) bad_frame();
  char **command = calloc(count + 1, sizeof *command);
  if (command == NULL) die(1, "out of memory");
  bool whole = workdir != NULL && count > 0;
  for (uint32_t i = 0; i < count; i++) whole &= (command[i] = take_string(frame)) != NULL;
  take_end(frame);
  const char *failed = whole ? start(id, command, workdir, inherited) : "no command, or one with a NUL in it";
  if (failed != NULL) answer(id, CANNOT_RUN, failed);
  free(command);
}

void take_kill(struct frame *frame) {
  uint32_t id = take32(frame);
  take_end(frame);
  for (struct exec *exec = execs; exec < execs + MOST_EXECS; exec++)
    if (exec->used && exec->id == id) kill(-exec->pid, SIGKILL);
}

nfds_t add_exec_pipes(struct pollfd *into) {
  nfds_t count = 0;
  for (struct exec *exec = execs; exec < execs + MOST_EXECS; exec++)
    if (exec->used && exec->output >= 0) into[count++] = (struct pollfd){.fd = exec->output, .events = POLLIN};
  return count;
}

/** Sends on what the command has printed; false when there is no more by now. */
static bool read_output(struct exec *exec) {
  uint8_t bytes[CHUNK];
  ssize_t count = read(exec->output, bytes, sizeof bytes);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count <= 0) {
    close(exec->output);
    exec->output = -1;
    return false;
  }
  begin_frame('o');
  put32(exec->id);
  put_bytes(bytes, (size_t)count);
  end_frame();
  return true;
}

void read_exec_pipes(const struct pollfd *ready) {
  for (struct exec *exec = execs; exec < execs + MOST_EXECS; exec++) {
    if (!exec->used || exec->output < 0) continue;
    if (ready->fd == exec->output && ready->revents != 0) read_output(exec);
    ready++;
  }
}

void reap_execs(void) {
  for (struct exec *exec = execs; exec < execs + MOST_EXECS; exec++) {
    int status;
    if (!exec->used || waitpid(exec->pid, &status, WNOHANG) != exec->pid) continue;
    for (int i = 0; i <= PIPE_CHUNKS && exec->output >= 0 && read_output(exec); i++) continue;
    if (exec->output >= 0) close(exec->output);
    exec->used = false;
    answer(exec->id, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), NULL);
  }
}

void kill_execs(void) {
  for (struct exec *exec = execs; exec < execs + MOST_EXECS; exec++)
    if (exec->used) kill(-exec->pid, SIGKILL);
}
