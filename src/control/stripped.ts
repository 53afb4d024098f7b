import { createHmac, randomBytes } from "node:crypto";
import type { Event } from "../engine/event.js";
import type { DeploySpec, ImageSpec, Project } from "../engine/project.js";
import type { State } from "../engine/state.js";
import type { Task, TaskInput } from "../engine/task.js";

/** Takes the project's values out of what goes to a screen in another process. */
export interface Stripper {
  readonly state: (state: State) => State;
  readonly event: (event: Event) => Event;
}

/**
 * Build arguments, Helm values, inline Dockerfiles and addresses with a password leave the process as a token: equal for equal values,
 * so that the client's `reduce` sees the same changes as ours, and of no use to guess the value by. What keys are made of stays as it
 * is (`specHash`), so that the client's plan is the same too. Texts are hidden by `redact`.
 */
export function createStripper(redact: (text: string) => string): Stripper {
  const secret = randomBytes(32);
  const known = new WeakMap<object, object>();
  const token = (value: string): string =>
    `(hidden ${createHmac("sha256", secret).update(value).digest("hex").slice(0, 12)})`;
  const tokens = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, token(value)]));
  /** Most of a state is what it was at the event before: what is stripped of it is kept as long. */
  const once = <T extends object>(value: T, strip: (value: T) => T): T => {
    const found = known.get(value) as T | undefined;
    if (found) return found;
    const made = strip(value);
    known.set(value, made);
    return made;
  };

  const image = (spec: ImageSpec): ImageSpec =>
    once(spec, ({ args, dockerfile, contexts, cacheFrom, ...rest }) => ({
      ...rest,
      args: tokens(args),
      dockerfile:
        dockerfile.kind === "inline" ? { kind: "inline", text: token(dockerfile.text) } : dockerfile,
      contexts: Object.fromEntries(
        Object.entries(contexts).map(([name, context]) => [
          name,
          context.kind === "address" ? { kind: "address", address: address(context.address) } : context,
        ]),
      ),
      cacheFrom: cacheFrom.map(address),
    }));
  const address = (text: string): string => (text.includes("@") ? token(text) : text);
  const deploy = (spec: DeploySpec): DeploySpec =>
    once(spec, (each) => (each.kind === "helm" ? { ...each, set: tokens(each.set) } : each));
  const project = (given: Project): Project =>
    once(given, (each) => ({
      ...each,
      images: each.images.map(image),
      deploys: each.deploys.map(deploy),
    }));

  function task(given: Task): Task {
    return { ...given, input: input(given.input) };
  }

  function input(given: TaskInput): TaskInput {
    switch (given.kind) {
      case "build":
      case "sync":
        return { ...given, image: image(given.image) };
      case "render":
      case "deploy":
        return { ...given, deploy: deploy(given.deploy) };
      case "load":
      case "prune":
        return given;
    }
  }

  /** The free texts of a value: messages, hints and lines. Names and keys stay: the client finds things by them. */
  function hidden<T>(value: T): T {
    if (Array.isArray(value)) return value.map(hidden) as T;
    if (typeof value !== "object" || value === null) return value;
    return once(
      value as object,
      (object) =>
        Object.fromEntries(
          Object.entries(object).map(([key, each]: [string, unknown]) => [
            key,
            freeTexts.has(key) && typeof each === "string"
              ? redact(each)
              : key === "lines" && Array.isArray(each)
                ? each.map((line) => (typeof line === "string" ? redact(line) : (line as unknown)))
                : hidden(each),
          ]),
        ) as object,
    ) as T;
  }

  return {
    state: (state) => ({
      ...hidden({ ...state, project: undefined, images: undefined, deploys: undefined }),
      project: project(state.project),
      images: mapped(state.images, (each) => ({ ...each, spec: image(each.spec) })),
      deploys: mapped(state.deploys, (each) => ({ ...each, spec: deploy(each.spec) })),
    }),
    event: (event) => {
      switch (event.type) {
        case "config.loaded":
          return { ...event, project: project(event.project) };
        case "task.started":
          return { ...event, task: task(event.task) };
        default:
          return hidden(event);
      }
    },
  };
}

const freeTexts = new Set(["message", "hint", "detail"]);

function mapped<T>(entries: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, change(value)]));
}
