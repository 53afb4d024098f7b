import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { startDeadline } from "../../src/lib/deadline.js";

describe("a deadline", () => {
  it("aborts when the time is over, and says so", async () => {
    using limit = startDeadline(5, new AbortController().signal);
    await once(limit.signal, "abort");
    expect(limit.expired).toBe(true);
  });

  it("aborts with its parent, for its parent's reason", () => {
    const parent = new AbortController();
    using limit = startDeadline(60_000, parent.signal);
    parent.abort("enough");
    expect([limit.signal.reason, limit.expired]).toEqual(["enough", false]);
  });

  it("leaves its parent alone once it is disposed", () => {
    const parent = new AbortController();
    const limit = startDeadline(60_000, parent.signal);
    limit[Symbol.dispose]();
    parent.abort();
    expect(limit.signal.aborted).toBe(false);
  });
});
