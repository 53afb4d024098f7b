import type { RunTask } from "../../engine/engine.js";
import type { WorkloadHealth } from "../../engine/state.js";
import { DevloopError } from "../../lib/errors.js";

type Redact = (text: string) => string;

/**
 * Work whose words carry no secret values: what a build step prints of its secrets must not even reach the state, which
 * every screen and output reads.
 */
export function redacted(run: RunTask, redact: Redact): RunTask {
  return async (task, context) => {
    try {
      return await run(task, {
        signal: context.signal,
        onProgress: (progress) => {
          context.onProgress({
            ...progress,
            message: redact(progress.message),
            ...(progress.steps === undefined
              ? {}
              : {
                  steps: progress.steps.map((step) => ({
                    ...step,
                    name: redact(step.name),
                    lines: step.lines.map(redact),
                  })),
                }),
          });
        },
        onOutput: (lines) => {
          context.onOutput(lines.map(redact));
        },
        onNote: (message) => {
          context.onNote(redact(message));
        },
      });
    } catch (error) {
      throw error instanceof DevloopError ? redactedError(error, redact) : error;
    }
  };
}

function redactedError(error: DevloopError, redact: Redact): DevloopError {
  const { code, message, hint, detail, cause } = error;
  const text = (value: string | undefined): string | undefined =>
    value === undefined ? value : redact(value);
  return new DevloopError(code, redact(message), { hint: text(hint), detail: text(detail), cause });
}

/** Health without secret values: a root cause quotes what a container printed last. */
export function redactedHealth(health: WorkloadHealth, redact: Redact): WorkloadHealth {
  const { message, cause } = health;
  const lines = cause?.lines?.map(redact);
  return {
    ...health,
    message: redact(message),
    ...(cause ? { cause: { ...cause, message: redact(cause.message), ...(lines ? { lines } : {}) } } : {}),
  };
}
