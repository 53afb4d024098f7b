import { failure } from "./programs.js";

/**
 * What a step does; without `run` there is nothing to do, for the reason in `why`.
 * @typedef {{ why: string } | { why: string, does: string, run: () => Promise<unknown>, fix: string }} Step
 */

/**
 * Says each step, and how long it took. With `dryRun` it only says what it would do.
 * @param {{ name: string, dryRun: boolean }} options
 */
export function narrator({ name, dryRun }) {
  const begunAt = Date.now();
  /** @param {string} text */
  const say = (text) => {
    console.log(`${name}: ${text}`);
  };
  /**
   * Throws with the step's name, how long it ran, and its fix.
   * @param {string} what
   * @param {Step} step
   */
  const step = async (what, step) => {
    if (!("run" in step)) {
      say(`${what}: ${step.why}`);
      return;
    }
    say(`${what}: ${step.why}; ${dryRun ? "would run" : "runs"}: ${step.does}`);
    if (dryRun) return;
    const startedAt = Date.now();
    try {
      await step.run();
    } catch (error) {
      const { message, fix = step.fix } = /** @type {Error & { fix?: string }} */ (error);
      throw failure(`${what}: failed after ${seconds(startedAt)}: ${message}`, fix);
    }
    say(`${what}: done in ${seconds(startedAt)}`);
  };
  return { say, step, inAll: () => seconds(begunAt) };
}

/** @param {number} startedAt */
export function seconds(startedAt) {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}
