import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { isAlive } from "../../lib/is-alive.js";

/** Files of a session on another machine that shares the directory, or in another container, are kept so long after its last line, in ms. */
const othersMs = 2 * 24 * 60 * 60 * 1000;

/** A directory's name that no other session has: whose process on which machine it is, so that the next session knows when it has ended. */
export function newLogDirectory(parent: string, { pid = process.pid } = {}): string {
  return join(parent, `${hostPart()}.${pid}.${randomBytes(4).toString("hex")}`);
}

/** Removes what sessions left that crashed. `except`: the caller's own. Never rejects. */
export async function removeEndedLogs(parent: string, except: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const path = join(parent, name);
    if (path !== except && (await hasEnded(path, name)))
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function hasEnded(path: string, name: string): Promise<boolean> {
  const [, host, pid] = /^(.*)\.(\d+)\.[0-9a-f]{8}$/.exec(name) ?? [];
  if (host === undefined) return false;
  if (host === hostPart()) return !isAlive(Number(pid));
  const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
  return age > othersMs;
}

function hostPart(): string {
  return hostname().replace(/[^A-Za-z0-9-]+/g, "_");
}
