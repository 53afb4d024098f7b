import type { Failure } from "./errors.js";

/** A failure as lines: the message, the further lines of its detail indented under it, and what to do now at the end. */
export function describeFailure(failure: Failure): readonly string[] {
  const detail = failure.detail?.trimEnd().split("\n") ?? [];
  return [
    ...failure.message.split("\n"),
    ...detail.map((line) => `  ${line}`),
    ...(failure.hint === undefined ? [] : failure.hint.split("\n").map((line) => `→ ${line}`)),
  ];
}
