import { appendFile, copyFile, mkdir, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { Writable } from "node:stream";

/** How large the file may get, in bytes; what was before stays as a second file of that size. */
const defaultLimit = 5 * 1024 * 1024;

/** Where a loop without a terminal writes what it does: a file that is bounded, with the one before it as `.1`. */
export async function openDaemonLog(path: string, { limit = defaultLimit } = {}): Promise<Writable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  let size = (await stat(path).catch(() => undefined))?.size ?? 0;

  async function append(chunk: Buffer): Promise<void> {
    if (size + chunk.length > limit && size > 0) {
      // Copied, not moved: the process's own output goes into this very file, too.
      await copyFile(path, `${path}.1`).catch(() => undefined);
      await truncate(path).catch(() => undefined);
      size = 0;
    }
    size += chunk.length;
    await appendFile(path, chunk, { mode: 0o600 });
  }

  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      append(chunk).then(
        () => {
          done();
          // A full disk must not end the loop: its state is told by the socket all the same.
        },
        () => {
          done();
        },
      );
    },
  });
}
