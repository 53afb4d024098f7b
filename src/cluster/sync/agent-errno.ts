/**
 * Linux's error numbers, of those that calls on files give: alike on all its platforms that devloop runs on (asm-generic/errno.h). Node's
 * own (os.constants.errno) are those of this machine, which need not run Linux.
 */
const names: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  31: "EMLINK",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  74: "EBADMSG",
  75: "EOVERFLOW",
  95: "EOPNOTSUPP",
  110: "ETIMEDOUT",
  116: "ESTALE",
  122: "EDQUOT",
  125: "ECANCELED",
};

/** The name of one of Linux's error numbers, such as EACCES. */
export function errorName(errno: number): string {
  return names[errno] ?? `errno ${errno}`;
}
