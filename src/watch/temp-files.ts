/**
 * Whether a file or directory of this name is an editor's own (swap, backup, lock, the copy that an atomic save renames),
 * or a repository's: such a name is never watched, whatever the ignore rules say.
 */
export function isNeverWatched(name: string): boolean {
  return name === ".git" || isTemporaryFile(name);
}

/** Whether an editor or tool makes files of this name for a moment while it saves. */
export function isTemporaryFile(name: string): boolean {
  return patterns.some((pattern) => pattern.test(name)) || isSedFile(name);
}

const patterns: readonly RegExp[] = [
  // vim: the probe whether it may write here, swap files, backups
  /^4913$/,
  /^\..*\.sw[a-px]$/,
  /~$/,
  // emacs: lock and auto-save
  /^\.#/,
  /^#.*#$/,
  // JetBrains, Kate, GLib (gedit), Sublime Text, LibreOffice
  /___jb_(tmp|old)___$/,
  /\.kate-swp$/,
  /^\.goutputstream-/,
  /^\.subl.*\.tmp$/,
  /^\.~lock\..*#$/,
  // Go's probe of the umask, NFS's removed but open files, Finder
  /-go-tmp-umask$/,
  /^\.nfs[0-9a-f]{8,}$/,
  /^\.DS_Store$/,
];

/** `sed -i` writes sedXXXXXX. Six lower-case letters alone are more likely a word, such as "sedentary". */
function isSedFile(name: string): boolean {
  return /^sed[A-Za-z0-9]{6}$/.test(name) && /[A-Z0-9]/.test(name);
}
