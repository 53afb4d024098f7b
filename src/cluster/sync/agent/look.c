#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "sha256.h"

enum kind { MISSING, PLAIN_FILE, DIRECTORY, LINK, OTHER, UNREADABLE };
enum { CHUNK = 64 << 10, MOST_ENTRIES = 100000, MOST_DEEP = 256 };

static enum kind kind_of(const struct stat *found) {
  if (S_ISREG(found->st_mode)) return PLAIN_FILE;
  if (S_ISDIR(found->st_mode)) return DIRECTORY;
  return S_ISLNK(found->st_mode) ? LINK : OTHER;
}

static void put_unreadable(int error) {
  put8(UNREADABLE);
  put16(0);
  put32((uint32_t)error);
}

/** Opens a plain file for reading; never waits, as a pipe that got its name would make it. -1 and errno. */
static int open_file(const struct place *place, struct stat *found) {
  int fd = openat(place->directory, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  if (fstat(fd, found) == 0 && S_ISREG(found->st_mode)) return fd;
  close(fd);
  errno = EINVAL;
  return -1;
}

/** Reads up to a chunk; -1 and errno. */
static ssize_t read_chunk(int fd, uint8_t bytes[CHUNK]) {
  ssize_t count;
  do count = read(fd, bytes, CHUNK);
  while (count < 0 && errno == EINTR);
  return count;
}

static void put_file(const struct place *place) {
  struct stat found;
  struct sha256 hash;
  uint8_t bytes[CHUNK], digest[SHA256_BYTES];
  uint64_t size = 0;
  ssize_t count = 0;
  int fd = open_file(place, &found);
  if (fd < 0) return put_unreadable(errno);
  for (sha256_begin(&hash); (count = read_chunk(fd, bytes)) > 0; size += (uint64_t)count)
    sha256_add(&hash, bytes, (size_t)count);
  int error = errno;
  close(fd);
  if (count < 0) return put_unreadable(error);
  sha256_end(&hash, digest);
  put8(PLAIN_FILE);
  put16(found.st_mode & 07777);
  put64(size);
  put_bytes(digest, sizeof digest);
}

static void put_link(const struct place *place, mode_t mode) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(place->directory, place->name, target, sizeof target - 1);
  if (length < 0) return put_unreadable(errno);
  target[length] = '\0';
  put8(LINK);
  put16(mode & 07777);
  put_string(target);
}

static void put_place(const struct place *place) {
  struct stat found;
  if (fstatat(place->directory, place->name, &found, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno != ENOENT) return put_unreadable(errno);
    put8(MISSING);
    return put16(0);
  }
  enum kind kind = kind_of(&found);
  if (kind == PLAIN_FILE) return put_file(place);
  if (kind == LINK) return put_link(place, found.st_mode);
  put8((uint8_t)kind);
  put16(found.st_mode & 07777);
}

void take_query(struct frame *frame) {
  uint32_t id = take32(frame);
  char *root = take_string(frame);
  uint32_t count = take32(frame);
  begin_frame('q');
  put32(id);
  put32(count);
  for (uint32_t i = 0; i < count; i++) {
    struct place place;
    if (find_place(root, take_string(frame), AS_IT_IS, &place)) {
      put_place(&place);
      close(place.directory);
    } else if (errno == ENOENT || errno == ENOTDIR) {
      put8(MISSING);
      put16(0);
    } else {
      put_unreadable(errno);
    }
  }
  take_end(frame);
  end_frame();
}

/** A walk on its way. The entries of a frame are counted once it is full. */
static struct {
  uint32_t id, total, in_frame;
  char path[PATH_MAX];
} walk;
enum { COUNT_PLACE = 9 };

static void begin_entries(void) {
  walk.in_frame = 0;
  begin_frame('w');
  put32(walk.id);
  put32(0);
}

static void end_entries(void) {
  put32_at(COUNT_PLACE, walk.in_frame);
  end_frame();
}

/** `size` is the errno of what is unreadable. */
static void put_entry(enum kind kind, const struct stat *found, uint64_t size) {
  put_string(walk.path);
  put8((uint8_t)kind);
  put16(found->st_mode & 07777);
  put64(size);
  put64((uint64_t)found->st_mtim.tv_sec * 1000000000u + (uint64_t)found->st_mtim.tv_nsec);
  walk.in_frame++;
  walk.total++;
  if (frame_used() < CHUNK) return;
  end_entries();
  begin_entries();
}

/** Opens a directory to list it; one whose depth would use up the open files is given up. */
static DIR *open_listing(int in, const char *name, unsigned depth) {
  int fd = depth > MOST_DEEP ? -1 : openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (depth > MOST_DEEP) errno = ELOOP;
  DIR *listing = fd < 0 ? NULL : fdopendir(fd);
  if (fd >= 0 && listing == NULL) close(fd);
  return listing;
}

static bool walk_into(DIR *listing, size_t length, unsigned depth);

/** One entry and, after it, what is in it. False when there are too many. */
static bool walk_entry(int in, const char *name, size_t length, unsigned depth) {
  struct stat found;
  if (fstatat(in, name, &found, AT_SYMLINK_NOFOLLOW) < 0) return true;
  if (walk.total == MOST_ENTRIES) return false;
  enum kind kind = kind_of(&found);
  DIR *listing = kind == DIRECTORY ? open_listing(in, name, depth) : NULL;
  if (kind == DIRECTORY && listing == NULL) {
    put_entry(UNREADABLE, &found, (uint64_t)errno);
    return true;
  }
  put_entry(kind, &found, (uint64_t)found.st_size);
  return listing == NULL || walk_into(listing, length, depth + 1);
}

/** Walks a directory and closes it. */
static bool walk_into(DIR *listing, size_t length, unsigned depth) {
  bool complete = true;
  for (struct dirent *entry; complete && (entry = readdir(listing)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    size_t start = length == 0 ? 0 : length + 1, end = start + strlen(name);
    // No path so long can be asked for.
    if (end >= sizeof walk.path) continue;
    if (length > 0) walk.path[length] = '/';
    strcpy(walk.path + start, name);
    complete = walk_entry(dirfd(listing), name, end, depth);
  }
  closedir(listing);
  return complete;
}

void take_walk(struct frame *frame) {
  walk.id = take32(frame);
  const char *root = take_string(frame);
  take_end(frame);
  walk.total = 0;
  walk.path[0] = '\0';
  begin_entries();
  int fd = root == NULL ? -1 : open_root(root, AS_IT_IS);
  DIR *listing = fd < 0 ? NULL : open_listing(fd, ".", 0);
  bool complete = true;
  if (listing != NULL) complete = walk_into(listing, 0, 1);
  else if (root == NULL) put_entry(UNREADABLE, &(struct stat){0}, EINVAL);
  else if (errno != ENOENT) put_entry(UNREADABLE, &(struct stat){0}, (uint64_t)errno);
  if (fd >= 0) close(fd);
  if (walk.in_frame > 0) {
    end_entries();
    begin_entries();
  }
  walk.in_frame = complete ? 0 : UINT32_MAX;
  end_entries();
}

static void put_end_of_fetch(uint32_t id, bool ok) {
  begin_frame('f');
  put32(id);
  put8(ok);
}

void take_fetch(struct frame *frame) {
  uint32_t id = take32(frame);
  const char *root = take_string(frame);
  char *path = take_string(frame);
  take_end(frame);
  struct place place;
  struct stat found;
  struct sha256 hash;
  uint8_t bytes[CHUNK], digest[SHA256_BYTES];
  int error = 0, fd = -1;
  if (find_place(root, path, AS_IT_IS, &place)) {
    fd = open_file(&place, &found);
    error = errno;
    close(place.directory);
  } else {
    error = errno;
  }
  ssize_t count = fd < 0 ? -1 : 0;
  for (sha256_begin(&hash); fd >= 0 && (count = read_chunk(fd, bytes)) > 0;) {
    sha256_add(&hash, bytes, (size_t)count);
    begin_frame('d');
    put32(id);
    put_bytes(bytes, (size_t)count);
    end_frame();
  }
  if (fd >= 0) {
    if (count < 0) error = errno;
    close(fd);
  }
  put_end_of_fetch(id, count == 0);
  if (count == 0) {
    sha256_end(&hash, digest);
    put_bytes(digest, sizeof digest);
  } else {
    put32((uint32_t)error);
  }
  end_frame();
}
