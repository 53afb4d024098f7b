import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFrameWriter } from "../../src/ui/frame-writer.js";

/** Frames of one row, counted as they are written, in a time that the test moves. */
function open() {
  let written = "";
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written += chunk.toString();
      done();
    },
  }) as unknown as NodeJS.WriteStream;
  const writer = createFrameWriter({ stdout });
  let drawn = 0;
  return {
    writer,
    draw: (urgent = false) => {
      drawn += 1;
      writer.draw([`frame ${drawn}`], { urgent });
    },
    newest: () => [...written.matchAll(/frame (\d+)/g)].at(-1)?.[1],
  };
}

describe("frames", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("wait for the one before, and the newest of those that waited is written", () => {
    const { writer, draw, newest } = open();
    for (let n = 0; n < 5; n += 1) draw();
    expect(newest()).toBe("1");
    vi.advanceTimersByTime(100);
    expect([newest(), writer.frames]).toEqual(["5", 2]);
    writer[Symbol.dispose]();
  });

  it("that answer a key are written at once, also while others wait", () => {
    const { writer, draw, newest } = open();
    draw();
    draw();
    expect(newest()).toBe("1");
    draw(true);
    expect(newest()).toBe("3");
    writer[Symbol.dispose]();
  });

  it("are twenty in a second at most, however many keys are pressed", () => {
    const { writer, draw } = open();
    for (let second = 0; second < 3; second += 1) {
      const before = writer.frames;
      for (let ms = 0; ms < 1000; ms += 5) {
        draw(ms % 3 === 0);
        vi.advanceTimersByTime(5);
      }
      expect(writer.frames - before).toBeLessThanOrEqual(20);
      expect(writer.frames - before).toBeGreaterThan(12);
    }
    writer[Symbol.dispose]();
  });
});
