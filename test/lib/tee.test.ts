import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { tee } from "../../src/lib/tee.js";

const chunks = Array.from({ length: 50 }, (_, index) => Buffer.alloc(10_000, index));

describe("copying a stream into several", () => {
  it("gives each all of it, in order", async () => {
    const sinks = [new PassThrough(), new PassThrough()];
    const [, ...copies] = await Promise.all([
      tee(Readable.from(chunks), sinks),
      ...sinks.map((sink) => buffer(sink)),
    ]);
    for (const copy of copies) expect(copy.equals(Buffer.concat(chunks))).toBe(true);
  });

  it("reads no further than the slowest sink has room for", async () => {
    let read = 0;
    const source = Readable.from(
      (function* () {
        for (const chunk of chunks) {
          read += 1;
          yield chunk;
        }
      })(),
      { highWaterMark: 1 },
    );
    const slow = new PassThrough({ highWaterMark: 20_000 });
    const fast = new PassThrough().resume();
    const done = tee(source, [slow, fast]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(read).toBeLessThan(chunks.length);
    slow.resume();
    await done;
    expect(read).toBe(chunks.length);
  });

  it("goes on without a sink that is destroyed while it blocks, and stops reading when none is left", async () => {
    const [stuck, good] = [new PassThrough({ highWaterMark: 1 }), new PassThrough()];
    const done = tee(Readable.from(chunks), [stuck, good]);
    const copy = buffer(good);
    stuck.destroy();
    await done;
    expect((await copy).length).toBe(500_000);

    const gone = new PassThrough();
    gone.destroy();
    const source = Readable.from(chunks);
    await tee(source, [gone]);
    expect(source.destroyed).toBe(true);
  });
});
