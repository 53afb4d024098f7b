import type { State } from "../engine/state.js";
import { taskId } from "../engine/task-lookup.js";
import { DevloopError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { lastPart } from "../lib/short-name.js";

/** A thing of the project that somebody named. */
export interface NamedResource {
  readonly kind: "image" | "deploy" | "workload";
  /** `image:web`, `deploy:k8s/overlays/dev`, `Deployment/dev/web`. */
  readonly id: string;
  /** Its key in the state. */
  readonly subject: string;
  /** Whose lines are its log: a workload's containers, an image's build. */
  readonly logs: readonly string[];
}

/**
 * Finds what a name means among `kinds`, those named first winning: an id, or the last part of one. Throws NOT_FOUND with the
 * nearest name.
 */
export function resolveResource(
  state: State,
  name: string,
  kinds: readonly [NamedResource["kind"], ...NamedResource["kind"][]],
): NamedResource {
  const all = kinds.flatMap((kind) => resourcesOf(state).filter((each) => each.kind === kind));
  const found =
    all.find(({ id }) => id === name) ??
    all.find(({ subject }) => subject === name || lastPart(subject) === name);
  if (found) return found;
  const names = [...new Set(all.map(({ subject }) => lastPart(subject)))];
  const close = nearest(name, names);
  throw new DevloopError(
    "NOT_FOUND",
    `there is no ${kinds.join(" or ")} ${name}${close === undefined ? "" : ` — did you mean ${close}?`}`,
    names.length === 0 ? {} : { hint: `there are: ${names.join(", ")}` },
  );
}

function resourcesOf(state: State): readonly NamedResource[] {
  return [
    ...Object.keys(state.workloads).map((id): NamedResource => ({
      kind: "workload",
      id,
      subject: id,
      logs: [id],
    })),
    ...Object.keys(state.images).map((name): NamedResource => ({
      kind: "image",
      id: `image:${name}`,
      subject: name,
      logs: [taskId("build", name)],
    })),
    ...Object.keys(state.deploys).map((id): NamedResource => ({
      kind: "deploy",
      id: `deploy:${id}`,
      subject: id,
      logs: [taskId("render", id), taskId("deploy", id)],
    })),
  ];
}
