import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { link, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { DevloopError } from "../lib/errors.js";
import { isAlive } from "../lib/is-alive.js";
import { closeToOthers } from "./socket-directory.js";

/** What a look at a socket's path finds. */
export type Answer<T> =
  | { readonly kind: "answers"; readonly loop: T }
  /** The path is free, or its socket is nobody's: the process that made it is dead. */
  | { readonly kind: "nobody" };

/** How long another start may take to claim a socket, in ms: it looks, and listens. */
const longestClaimMs = 30_000;

/**
 * Lets `server` listen on `path`, unless a loop answers there: then that loop is returned. What a dead one left is removed. Of two
 * starts at once one listens and the other hears of it. `look` asks whoever listens on the path.
 */
export async function claimSocket<T>(
  server: Server,
  path: string,
  look: (path: string) => Promise<Answer<T>>,
): Promise<T | undefined> {
  // Between the look at a socket and its removal nobody else may put a new one there.
  await using _lock = await lockPath(`${path}.lock`);
  const answer = await look(path);
  if (answer.kind === "answers") return answer.loop;
  await rm(path, { force: true });
  await listenOn(server, path);
  await closeToOthers(path);
  return undefined;
}

async function listenOn(server: Server, path: string): Promise<void> {
  const listening = once(server, "listening");
  server.listen(path);
  await listening;
}

/** Whether the path still leads to the socket that it led to before: temporary directories are swept. */
export async function socketIdentity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** A file that only one process can make; one that a dead process left is taken away. */
async function lockPath(path: string): Promise<AsyncDisposable> {
  const deadline = Date.now() + longestClaimMs;
  for (;;) {
    if (await makeLock(path)) {
      return {
        async [Symbol.asyncDispose]() {
          await unlink(path).catch(() => undefined);
        },
      };
    }
    const holder = await holderOf(path);
    if (holder === 0 || (holder !== undefined && !isAlive(holder))) await takeAway(path, holder);
    if (Date.now() > deadline)
      throw new DevloopError(
        "LOOP_SILENT",
        "another devloop of this project is starting and does not get on",
        {
          hint: `end it; if there is none: rm ${path}`,
        },
      );
    await sleep(20);
  }
}

/** False when the file is there. It comes with its text at once: nobody ever sees a lock that does not say whose it is. */
async function makeLock(path: string): Promise<boolean> {
  const mine = `${path}.${process.pid}.${randomUUID()}`;
  await writeFile(mine, String(process.pid), { flag: "wx", mode: 0o600 });
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    await unlink(mine).catch(() => undefined);
  }
}

/** The process that holds the lock; 0 when it does not say, undefined when there is none. */
async function holderOf(path: string): Promise<number | undefined> {
  try {
    return Number(await readFile(path, "utf8")) || 0;
  } catch {
    return undefined;
  }
}

/**
 * Removes the lock of a dead process. Several may find it dead, and a living one's may stand there by the time that the last of them gets to it: who
 * has the second lock, of which there is one for each dead process, looks again and is the only one to remove the first.
 */
async function takeAway(path: string, dead: number): Promise<void> {
  const right = `${path}.${dead}`;
  if (!(await makeLock(right))) return;
  if ((await holderOf(path)) === dead) await unlink(path).catch(() => undefined);
  await unlink(right).catch(() => undefined);
}
