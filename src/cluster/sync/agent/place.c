#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLLOWED = 0, DIRECTORY_MODE = 0755 };

/** Opens a directory by a single name, only to find names in it: that takes no permission to list it. */
static int open_directory(int in, const char *name, enum way way, int no_follow) {
  int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | no_follow;
  int fd = openat(in, name, flags);
  if (fd < 0 && errno == ENOENT && way == MADE) {
    if (mkdirat(in, name, DIRECTORY_MODE) < 0 && errno != EEXIST) return -1;
    fd = openat(in, name, flags);
  }
  if (fd < 0 && errno == ENOTDIR) {
    struct stat found;
    bool is_link = fstatat(in, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(found.st_mode);
    errno = is_link ? ELOOP : ENOTDIR;
  }
  return fd;
}

static void close_keeping_errno(int fd) {
  int kept = errno;
  close(fd);
  errno = kept;
}

int open_root(const char *root, enum way way) {
  char path[PATH_MAX];
  size_t length = strlen(root);
  if (length == 0 || length >= sizeof path) {
    errno = length == 0 ? EINVAL : ENAMETOOLONG;
    return -1;
  }
  int fd = open_directory(AT_FDCWD, root, AS_IT_IS, FOLLOWED);
  if (fd >= 0 || errno != ENOENT || way == AS_IT_IS) return fd;
  memcpy(path, root, length + 1);
  for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST) {
      // A read-only file system says so of directories that are there, too.
      int error = errno;
      struct stat found;
      if (stat(path, &found) < 0) {
        errno = error;
        return -1;
      }
    }
    *slash = '/';
  }
  return open_directory(AT_FDCWD, root, MADE, FOLLOWED);
}

/** No `..`, `.`, empty part, or slash in front. */
static bool is_plain(const char *path) {
  for (const char *part = path;;) {
    size_t length = strcspn(part, "/");
    if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
      return false;
    if (part[length] == '\0') return true;
    part += length + 1;
  }
}

bool find_place(const char *root, char *path, enum way way, struct place *place) {
  if (root == NULL || path == NULL || !is_plain(path)) {
    errno = EINVAL;
    return false;
  }
  int fd = open_root(root, way);
  char *slash;
  for (; fd >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
    *slash = '\0';
    int next = open_directory(fd, path, way, O_NOFOLLOW);
    close_keeping_errno(fd);
    fd = next;
  }
  *place = (struct place){.directory = fd, .name = path};
  return fd >= 0;
}
