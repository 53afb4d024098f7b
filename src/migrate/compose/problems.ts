import type { DevloopError } from "../../lib/errors.js";
import { invalidFile, type PlacedProblem } from "../../lib/problems.js";
import type { Report } from "./node.js";

/** What is wrong with a project's files, gathered until a step ends that could not go on with it. */
export class ProblemList {
  readonly #problems: PlacedProblem[] = [];

  readonly report: Report = (place, message, hint) => {
    // What Compose fills in is never wrong by itself: its place is told by the caller.
    if (place.kind !== "file") throw new Error(`a problem without a place: ${message}`);
    this.#problems.push({ source: place.visit.source, span: place.span, message, hint });
  };

  /** Throws COMPOSE_INVALID with all problems so far in one. */
  throwIfAny(): void {
    const error = this.toError();
    if (error) throw error;
  }

  toError(): DevloopError | undefined {
    if (this.#problems.length === 0) return undefined;
    return invalidFile("COMPOSE_INVALID", this.#problems, "the compose files are not valid");
  }
}
