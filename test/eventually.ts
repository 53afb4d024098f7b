import { vi } from "vitest";

/** How long a condition may take, in ms: vitest's own second is less than a busy machine may need for anything. Nothing waits so long but what fails. */
const limitMs = 30_000;

/** Resolves with what `look` returns once it does not throw; throws its last error when that takes too long. */
export function eventually<T>(look: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(look, { timeout: limitMs, interval: 10 });
}
