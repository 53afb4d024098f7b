import { createReadStream } from "node:fs";
import { describe, expect, it } from "vitest";
import { stepLines } from "../../src/build/build-lines.js";
import { decodeTrace } from "../../src/build/buildkit/progress.js";
import { trackSteps } from "../../src/build/steps.js";
import { jsonLines } from "../../src/lib/json-lines.js";
import { type FieldToWrite, writeFields } from "../../src/lib/protobuf.js";

/** Recorded from Docker 26.1: a stage that prints, a copy out of it, and a step that exits with 4. */
const recorded = new URL("../fixtures/build/failing.trace.jsonl", import.meta.url);

describe("a recorded trace", () => {
  it("becomes steps, each finished once, with what they printed", async () => {
    const steps = trackSteps();
    const lines: string[] = [];
    let error: string | undefined;
    for await (const line of jsonLines(createReadStream(recorded))) {
      const message = line as { id?: string; aux?: string; error?: string };
      if (message.error !== undefined) error = message.error;
      if (message.id !== "moby.buildkit.trace") continue;
      const finished = steps.apply(decodeTrace(Buffer.from(message.aux ?? "", "base64")));
      lines.push(...stepLines(finished, steps.all()));
    }
    expect(error).toMatch(/exit code: 4/);
    const own = steps.all().filter(({ place }) => place !== undefined);
    expect(
      own.map(({ instruction, place }) => [place?.stage, place?.index, instruction.split(" ")[0]]),
    ).toEqual(
      expect.arrayContaining([
        ["tools", 1, "FROM"],
        ["tools", 2, "RUN"],
        ["stage-1", 2, "COPY"],
        ["stage-1", 3, "RUN"],
      ]),
    );
    const failed = own.find((step) => step.error !== undefined);
    expect(failed).toMatchObject({
      instruction: "RUN echo before; exit 4",
      lines: ["before"],
      cached: false,
    });
    expect(failed!.completed! - failed!.started!).toBeGreaterThan(0);
    const told = lines.join("\n");
    expect(told.match(/^step /gm)).toHaveLength(own.length);
    expect(told).toMatch(/\n {2}compiling\n {2}100%\n {2}caf303251\n {2}warned/);
    expect(told).toMatch(/\nstep 4\/4 RUN echo before; exit 4 \(failed after \d+ ms\)\n {2}before$/);
  });
});

describe("trackSteps", () => {
  const vertex = (fields: readonly FieldToWrite[]): Buffer => writeFields([[1, writeFields(fields)]]);
  const log = (data: Uint8Array): Buffer =>
    writeFields([
      [
        3,
        writeFields([
          [1, "sha256:a"],
          [4, data],
        ]),
      ],
    ]);
  const at = (seconds: number): Uint8Array => writeFields([[1, seconds]]);

  it("keeps lines and characters whole that are cut between messages, and a bounded number of them", () => {
    const steps = trackSteps();
    steps.apply(
      decodeTrace(
        vertex([
          [1, "sha256:a"],
          [3, "[linux/amd64 build 2/9] RUN make"],
          [5, at(1)],
        ]),
      ),
    );
    const text = Buffer.from("größe\nnext\u001b[2J\u0007");
    for (const byte of text) steps.apply(decodeTrace(log(Uint8Array.of(byte))));
    // What is not at its end may be cut within a word, or a secret.
    expect(steps.all()[0]).toMatchObject({ lines: ["größe"], place: { stage: "build", index: 2 } });
    steps.apply(decodeTrace(log(Buffer.from("\n"))));
    expect(steps.all()[0]?.lines).toEqual(["größe", "next"]);
    steps.apply(decodeTrace(log(Buffer.from("x\n".repeat(100_000)))));
    expect(steps.all()[0]?.lines).toHaveLength(2000);
    const [done] = steps.apply(
      decodeTrace(
        vertex([
          [1, "sha256:a"],
          [3, "[build 2/9] RUN make"],
          [5, at(1)],
          [6, at(3)],
        ]),
      ),
    );
    expect(done).toMatchObject({ started: 1000, completed: 3000 });
    expect(
      steps.apply(
        decodeTrace(
          vertex([
            [1, "sha256:a"],
            [3, "[build 2/9] RUN make"],
            [6, at(4)],
          ]),
        ),
      ),
    ).toEqual([]);
  });
});

describe("decodeTrace", () => {
  it("refuses what is cut short", () => {
    const whole = writeFields([[1, writeFields([[1, "sha256:a"]])]]);
    expect(() => decodeTrace(whole.subarray(0, -2))).toThrow(RangeError);
    expect(decodeTrace(Buffer.alloc(0))).toEqual({ vertexes: [], statuses: [], logs: [], warnings: [] });
  });
});
