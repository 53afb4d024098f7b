import { expect, it } from "vitest";
import { redacted, redactedHealth } from "../../src/commands/session/redacted.js";
import type { TaskContext } from "../../src/engine/engine.js";
import type { WorkloadHealth } from "../../src/engine/state.js";
import type { Task } from "../../src/engine/task.js";
import { DevloopError } from "../../src/lib/errors.js";
import { createRedactor } from "../../src/output/redact.js";

it("nothing that work says carries a secret value, its failure neither", async () => {
  const redactor = createRedactor();
  const secret = "s3cret-token";
  redactor.add([secret]);
  const told: unknown[] = [];
  const tell = (...words: readonly unknown[]): unknown => told.push(...words);
  const context: TaskContext = {
    signal: new AbortController().signal,
    onProgress: tell,
    onOutput: tell,
    onNote: tell,
  };
  const run = redacted((_task, inner) => {
    const step = { name: `RUN echo ${secret}`, status: "running", lines: [secret] } as const;
    inner.onProgress({ message: `at ${secret}`, steps: [step] });
    inner.onOutput([`printed ${secret}`]);
    inner.onNote(`noted ${secret}`);
    return Promise.reject(new DevloopError("BUILD_FAILED", secret, { hint: secret, detail: `>${secret}` }));
  }, redactor.redact);
  const error: unknown = await run({} as Task, context).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "BUILD_FAILED",
    message: "(hidden)",
    hint: "(hidden)",
    detail: ">(hidden)",
  });
  expect(told).toHaveLength(3);
  expect(JSON.stringify(told)).not.toContain(secret);
});

it("nothing that a workload's health quotes carries a secret value", () => {
  const { add, redact } = createRedactor();
  add(["s3cret-token"]);
  const health = {
    status: "failed",
    message: "crashed: s3cret-token",
    cause: {
      reason: "CrashLoop",
      message: "exit code 1: s3cret-token",
      lines: ["connect x:s3cret-token@db"],
    },
  } as unknown as WorkloadHealth;
  expect(redactedHealth(health, redact)).toEqual({
    status: "failed",
    message: "crashed: (hidden)",
    cause: { reason: "CrashLoop", message: "exit code 1: (hidden)", lines: ["connect x:(hidden)@db"] },
  });
});
