import { homedir } from "node:os";

/** The user's home directory: as the environment says, which tests and `sudo -E` rely on; else as the system knows it. */
export function homeDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env["HOME"] ?? homedir();
}
