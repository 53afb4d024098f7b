import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frame, u16, u64 } from "../../../src/cluster/sync/agent-wire.js";
import { ending, isRoot, makePlace, type Place, plainUser, start, textOf } from "./agent-rig.js";

let place: Place;
beforeAll(async () => {
  place = await makePlace();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const id = 1;
const text = fc.oneof(
  fc.constantFrom("a", "a/b", "b", "../x", "", "x".repeat(300)),
  fc.string({ unit: "binary", maxLength: 10 }),
);
const root = fc.constantFrom(
  ...["", "a", "/no/such"],
  () => place.root,
  () => `${place.root}/a`,
);
const small = fc.nat(600);
/** A root's name is known only once the test runs. */
type Field = Parameters<typeof frame>[1] | (() => string);

/** The fields of each type. Commands are only such as do no harm. */
const fields: Readonly<Record<string, readonly fc.Arbitrary<Field>[]>> = {
  ...{
    B: [],
    C: [],
    K: [],
    G: [],
    N: [],
    W: [root],
    F: [root, text],
    R: [root, text],
    L: [root, text, text],
  },
  P: [root, text, small.map(u16), fc.nat(40).map(u64), fc.constant(Buffer.alloc(32))],
  D: [fc.uint8Array({ maxLength: 40 })],
  M: [root, text, small.map(u16)],
  X: [small],
  Q: [root, fc.nat(3), text, text],
  E: [fc.constantFrom("", "/"), fc.nat(2), fc.constantFrom("true", "no-such"), fc.constantFrom("x")],
};

/** A frame that is right but for a wrong number in it, mostly; one that is cut, or goes on, or is made of anything at all. */
const frames = fc
  .constantFrom(...Object.entries(fields))
  .chain(([type, values]) =>
    fc.record({
      type: fc.constant(type),
      values: fc.tuple(...values),
      spoilt: fc.oneof(
        { weight: 9, arbitrary: fc.constant("not") },
        fc.constantFrom("cut", "longer", "random"),
      ),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }),
    }),
  )
  .map(({ type, values, spoilt, bytes }) => () => {
    const payload = frame(
      type,
      id,
      ...values.map((value) => (typeof value === "function" ? value() : value)),
    ).subarray(5);
    if (spoilt === "cut") return frame(type, payload.subarray(0, -1));
    if (spoilt === "longer") return frame(type, payload, bytes);
    return frame(type, spoilt === "random" ? bytes : payload);
  });

/** Most go through a whole batch: what comes out of order ends the agent at once. */
const conversations = fc.array(frames, { maxLength: 12 }).map((all) => () => {
  const isBatch = (one: Buffer): boolean => "PDLMR".includes(String.fromCharCode(one[4]!));
  const made = all.map((make) => make());
  const batch = made.filter(isBatch);
  return Buffer.concat([...made.filter((one) => !isBatch(one)), frame("B", id), ...batch, frame("C", id)]);
});

describe.runIf(process.platform === "linux")("an agent that is sent nonsense", () => {
  it("ends, and is not ended by a signal", async () => {
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => () => Buffer.from(bytes)),
      {
        weight: 3,
        arbitrary: fc
          .array(frames, { maxLength: 12 })
          .map((all) => () => Buffer.concat(all.map((one) => one()))),
      },
      { weight: 3, arbitrary: conversations },
      fc.tuple(conversations, fc.nat()).map(
        ([make, cut]) =>
          () =>
            make().subarray(0, cut % make().length),
      ),
    );
    await fc.assert(
      fc.asyncProperty(input, async (make) => {
        const child = start([place.agent, "serve"], {
          cwd: place.root,
          ...(isRoot ? { uid: plainUser } : {}),
        });
        child.stdout.resume();
        child.stderr.resume();
        child.stdin.end(make());
        expect([0, 2]).toContain(await ending(child));
      }),
      { numRuns: 300 },
    );
  }, 300_000);

  it("says what it did not know", async () => {
    const child = start([place.agent, "serve"]);
    child.stdin.end(frame("?", 1));
    const errors = textOf(child.stderr);
    expect(await ending(child)).toBe(2);
    expect(await errors).toBe("devloop: a frame of an unknown type came in\n");
  });
});
