import { describe, expect, it } from "vitest";
import { clientStream } from "../../src/control/client-stream.js";
import { SlowStream } from "../fakes/slow-stream.js";

const line = (index: number): string => `${index} ${"x".repeat(600)}`;

describe("the lines for one client", () => {
  it("come in order, also those that had to wait", async () => {
    const sink = new SlowStream();
    const client = clientStream(sink, { catchUp: () => "never" });
    sink.hold();
    for (let index = 0; index < 20; index += 1) client.write(line(index));
    sink.release();
    await drained(sink);
    expect(numbers(sink)).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it("are dropped beyond the limit, and told anew with their count once it reads again", async () => {
    const sink = new SlowStream();
    const client = clientStream(sink, { catchUp: (missed) => `caught up, missed ${missed}`, limit: 3_000 });
    sink.hold();
    for (let index = 0; index < 100; index += 1) client.write(line(index));
    // What waits for it is no more than the sink's own buffer.
    expect(sink.writableLength).toBeLessThan(3_000);
    sink.release();
    await drained(sink);
    const sent = numbers(sink).filter((number) => !Number.isNaN(number));
    expect(sink.lines).toContain(`caught up, missed ${100 - sent.length}`);
    client.write("after");
    await drained(sink);
    expect(sink.lines.at(-1)).toBe("after");
  });
});

async function drained(sink: SlowStream): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(sink.writableLength).toBe(0);
}

function numbers(sink: SlowStream): number[] {
  return sink.lines.filter((each) => each !== "").map((each) => Number(each.split(" ")[0]));
}
