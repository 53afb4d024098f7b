import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The lock files that git holds while it changes the working trees around these paths. */
export function findGitLocks(paths: Iterable<string>): string[] {
  const locks = new Set<string>();
  for (const path of paths) {
    const repository = findGitDirectory(path);
    if (repository !== undefined) locks.add(join(repository, "index.lock"));
  }
  return [...locks];
}

/** Whether git is at work under one of the locks. A lock older than a minute was left by a git that died. */
export function isGitAtWork(locks: readonly string[], now: number): boolean {
  return locks.some((lock) => {
    const stats = statSync(lock, { throwIfNoEntry: false });
    return stats !== undefined && now - stats.mtimeMs < 60_000;
  });
}

function findGitDirectory(path: string): string | undefined {
  for (let directory = path; ; directory = dirname(directory)) {
    const git = join(directory, ".git");
    if (existsSync(git)) return statSync(git).isDirectory() ? git : readGitFile(git);
    if (dirname(directory) === directory) return undefined;
  }
}

/** A worktree's or submodule's `.git` is a file that names the directory. */
function readGitFile(file: string): string | undefined {
  const target = /^gitdir: (.+)$/m.exec(readFileSync(file, "utf8"))?.[1];
  return target === undefined ? undefined : resolve(dirname(file), target);
}
