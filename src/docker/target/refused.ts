import { EngineStatusError } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";

/** The work's result; what the engine refuses it for is thrown as APPLY_FAILED, in the engine's words. */
export async function orRefused<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof EngineStatusError)) throw error;
    // Each project has a network, and the engine has room for some thirty of them.
    const full = error.message.includes("address pools");
    throw new DevloopError("APPLY_FAILED", `the container engine refuses: ${error.message}`, {
      cause: error,
      hint: full ? "docker network prune removes those that nothing uses" : undefined,
    });
  }
}
