import { setMaxListeners } from "node:events";
import type { TaskProgress } from "../../engine/task.js";
import type { Kube } from "../kube.js";
import { openResourceTypes, type ResourceTypes } from "./resource-types.js";

/** Where a change of the cluster's objects goes to, and who is told of it. */
export interface ApplyContext {
  readonly kube: Kube;
  readonly types: ResourceTypes;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: TaskProgress) => void;
  readonly onNote: (message: string) => void;
}

export interface ContextOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: TaskProgress) => void;
  readonly onNote: (message: string) => void;
  /** Kinds known from earlier work with the same API server, which saves asking for them. */
  readonly types?: ResourceTypes;
}

export function openContext(kube: Kube, options: ContextOptions): ApplyContext {
  const { types = openResourceTypes(kube), onProgress = () => undefined } = options;
  // Many requests listen to it at once, which Node would report as a leak.
  const signal = AbortSignal.any([options.signal]);
  setMaxListeners(0, signal);
  return { kube, types, signal, onProgress, onNote: options.onNote };
}

/** The manager under which devloop's fields stand in `metadata.managedFields`. */
export const fieldManager = "devloop";

/** The label that every object of a project carries, with the project's name. */
export const projectLabel = "devloop.dev/project";

/** How many requests to the API server are under way at once. */
export const maxRequests = 8;
