#include "changes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "sha256.h"
#include "text.h"

/** Beside the target, and always of the same name, so that whatever is left behind goes with the next change of it. */
#define TEMPORARY_PREFIX "."
#define TEMPORARY_SUFFIX ".devloop"

enum outcome { DONE, FAILED, KEPT };

/** The results so far, as the answer has them. */
static struct {
  bool open;
  uint32_t id, count;
  uint8_t *results;
  size_t size, used;
} batch;

/** The file whose bytes are coming. After a failure (fd is -1) they are only counted. */
static struct {
  bool open;
  int fd;
  struct place place;
  char name[NAME_MAX + 1], temporary[NAME_MAX + 1];
  uint16_t mode;
  uint64_t left;
  uint8_t expected[SHA256_BYTES];
  struct sha256 hash;
} file;

static void add_result(const void *bytes, size_t count) {
  if (batch.size - batch.used < count) {
    batch.size = 2 * batch.size + count;
    batch.results = realloc(batch.results, batch.size);
    if (batch.results == NULL) die(1, "out of memory");
  }
  memcpy(batch.results + batch.used, bytes, count);
  batch.used += count;
}

static void result(enum outcome outcome) {
  uint8_t byte = (uint8_t)outcome;
  add_result(&byte, 1);
  batch.count++;
}

/** The call that failed, and why it did. */
static void result_failed(int error, const char *call) {
  uint8_t lengths[8] = {(uint8_t)(error >> 24), (uint8_t)(error >> 16), (uint8_t)(error >> 8), (uint8_t)error,
                        0, 0, 0, (uint8_t)strlen(call)};
  result(FAILED);
  add_result(lengths, sizeof lengths);
  add_result(call, strlen(call));
}

/** The temporary's name; of one that would be too long the beginning, cut where a character ends. */
static void name_temporary(char into[NAME_MAX + 1], const char *name) {
  size_t room = NAME_MAX - (sizeof TEMPORARY_PREFIX - 1) - (sizeof TEMPORARY_SUFFIX - 1);
  size_t length = strlen(name);
  if (length > room) {
    for (length = room; length > 0 && ((uint8_t)name[length] & 0xc0) == 0x80;) length--;
  }
  memcpy(into, TEMPORARY_PREFIX, 1);
  memcpy(into + 1, name, length);
  memcpy(into + 1 + length, TEMPORARY_SUFFIX, sizeof TEMPORARY_SUFFIX);
}

/** Puts the temporary in the target's place, in that of an empty directory too. NULL, or the call that failed. */
static const char *put_in_place(const struct place *place, const char *temporary) {
  if (renameat(place->directory, temporary, place->directory, place->name) == 0) return NULL;
  if (errno != EISDIR) return "rename";
  if (unlinkat(place->directory, place->name, AT_REMOVEDIR) < 0) return "rmdir";
  return renameat(place->directory, temporary, place->directory, place->name) == 0 ? NULL : "rename";
}

/** Removes the temporary, unless another agent has put its own there since. */
static void remove_temporary(void) {
  struct stat ours, there;
  if (fstat(file.fd, &ours) == 0 &&
      fstatat(file.place.directory, file.temporary, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
      ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
    unlinkat(file.place.directory, file.temporary, 0);
}

/** Its remaining bytes will come, and go nowhere. */
static void fail_file(int error, const char *call) {
  result_failed(error, call);
  if (file.fd < 0) return;
  remove_temporary();
  close(file.fd);
  close(file.place.directory);
  file.fd = -1;
}

static void finish_file(void) {
  file.open = false;
  if (file.fd < 0) return;
  uint8_t digest[SHA256_BYTES];
  sha256_end(&file.hash, digest);
  if (memcmp(digest, file.expected, sizeof digest) != 0) return fail_file(EBADMSG, "hash");
  if (fchmod(file.fd, file.mode) < 0) return fail_file(errno, "chmod");
  const char *failed = put_in_place(&file.place, file.temporary);
  if (failed != NULL) return fail_file(errno, failed);
  result(DONE);
  add_result(digest, sizeof digest);
  close(file.fd);
  close(file.place.directory);
}

static void begin_file(struct frame *frame) {
  const char *root = take_string(frame);
  char *path = take_string(frame);
  file.mode = take16(frame) & 07777;
  file.left = take64(frame);
  memcpy(file.expected, take_bytes(frame, SHA256_BYTES), SHA256_BYTES);
  take_end(frame);
  file.open = true;
  file.fd = -1;
  sha256_begin(&file.hash);
  if (!find_place(root, path, MADE, &file.place)) {
    fail_file(errno, "open");
  } else if (strlen(file.place.name) > NAME_MAX) {
    close(file.place.directory);
    fail_file(ENAMETOOLONG, "open");
  } else {
    // The frame, where the name stands, is gone when the bytes come.
    file.place.name = strcpy(file.name, file.place.name);
    name_temporary(file.temporary, file.name);
    unlinkat(file.place.directory, file.temporary, 0);
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    file.fd = openat(file.place.directory, file.temporary, flags, 0600);
    if (file.fd < 0) {
      int error = errno;
      close(file.place.directory);
      fail_file(error, "open");
    }
  }
  if (file.left == 0) finish_file();
}

static void add_to_file(struct frame *frame) {
  size_t count = (size_t)(frame->end - frame->at);
  if (!file.open || count > file.left) bad_frame();
  const uint8_t *bytes = take_bytes(frame, count);
  if (count == 0) {
    // The client could not read on.
    if (file.fd >= 0) fail_file(ECANCELED, "data");
    file.open = false;
    return;
  }
  for (size_t done = 0; file.fd >= 0 && done < count;) {
    ssize_t written = write(file.fd, bytes + done, count - done);
    if (written >= 0) done += (size_t)written;
    else if (errno != EINTR) fail_file(errno, "write");
  }
  if (file.fd >= 0) sha256_add(&file.hash, bytes, count);
  file.left -= count;
  if (file.left == 0) finish_file();
}

static void make_link(struct frame *frame) {
  const char *root = take_string(frame);
  char *path = take_string(frame);
  const char *target = take_string(frame);
  take_end(frame);
  struct place place;
  if (target == NULL) return result_failed(EINVAL, "symlink");
  if (!find_place(root, path, MADE, &place)) return result_failed(errno, "open");
  char temporary[NAME_MAX + 1];
  name_temporary(temporary, place.name);
  unlinkat(place.directory, temporary, 0);
  const char *failed = "symlink";
  if (symlinkat(target, place.directory, temporary) == 0) failed = put_in_place(&place, temporary);
  if (failed == NULL) {
    result(DONE);
  } else {
    result_failed(errno, failed);
    unlinkat(place.directory, temporary, 0);
  }
  close(place.directory);
}

/** Makes a directory, or takes the one that is there. NULL, or the call that failed. */
static const char *set_directory(const struct place *place, mode_t mode) {
  int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (mkdirat(place->directory, place->name, 0700) < 0) {
    struct stat found;
    if (errno != EEXIST) return "mkdir";
    if (fstatat(place->directory, place->name, &found, AT_SYMLINK_NOFOLLOW) < 0) return "stat";
    if (!S_ISDIR(found.st_mode)) {
      if (unlinkat(place->directory, place->name, 0) < 0) return "unlink";
      if (mkdirat(place->directory, place->name, 0700) < 0) return "mkdir";
    } else if ((found.st_mode & 07777) == mode) {
      return NULL;
    }
  }
  int fd = openat(place->directory, place->name, flags);
  if (fd < 0) return "open";
  const char *failed = fchmod(fd, mode) < 0 ? "chmod" : NULL;
  int kept = errno;
  close(fd);
  errno = kept;
  return failed;
}

static void make_directory(struct frame *frame) {
  const char *root = take_string(frame);
  char *path = take_string(frame);
  mode_t mode = take16(frame) & 07777;
  take_end(frame);
  struct place place;
  if (!find_place(root, path, MADE, &place)) return result_failed(errno, "open");
  const char *failed = set_directory(&place, mode);
  if (failed == NULL) result(DONE);
  else result_failed(errno, failed);
  close(place.directory);
}

static void remove_one(struct frame *frame) {
  const char *root = take_string(frame);
  char *path = take_string(frame);
  take_end(frame);
  struct place place;
  if (!find_place(root, path, AS_IT_IS, &place)) {
    // Below what is missing, or a file by now, nothing is.
    if (errno == ENOENT || errno == ENOTDIR) return result(DONE);
    return result_failed(errno, "open");
  }
  const char *call = "unlink";
  int failed = unlinkat(place.directory, place.name, 0);
  if (failed < 0 && errno == EISDIR) {
    call = "rmdir";
    failed = unlinkat(place.directory, place.name, AT_REMOVEDIR);
  }
  if (failed == 0 || errno == ENOENT) result(DONE);
  else if (errno == ENOTEMPTY || errno == EEXIST) result(KEPT);
  else result_failed(errno, call);
  close(place.directory);
}

static void begin_batch(uint32_t id) {
  if (batch.open) bad_frame();
  batch.open = true;
  batch.id = id;
  batch.count = 0;
  batch.used = 0;
}

static void end_batch(void) {
  batch.open = false;
  begin_frame('c');
  put32(batch.id);
  put32(batch.count);
  put_bytes(batch.results, batch.used);
  end_frame();
}

bool is_change(uint8_t type) { return type != 0 && strchr("BPDLMRC", type) != NULL; }

void take_change(struct frame *frame) {
  uint32_t id = take32(frame);
  if (frame->type == 'B') {
    take_end(frame);
    return begin_batch(id);
  }
  // Until all of a file has come, nothing else of its batch may.
  if (!batch.open || id != batch.id || file.open != (frame->type == 'D')) bad_frame();
  switch (frame->type) {
    case 'P':
      return begin_file(frame);
    case 'D':
      return add_to_file(frame);
    case 'L':
      return make_link(frame);
    case 'M':
      return make_directory(frame);
    case 'R':
      return remove_one(frame);
    default:
      take_end(frame);
      return end_batch();
  }
}

void abandon_changes(void) {
  if (file.open && file.fd >= 0) remove_temporary();
}
