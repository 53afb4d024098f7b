import type { RunTask, TaskContext } from "../../src/engine/engine.js";
import type { Task, TaskId, TaskOutput } from "../../src/engine/task.js";

/** A started task that the test ends by hand. */
export interface Invocation {
  readonly task: Task;
  readonly context: TaskContext;
  readonly succeed: (output?: Partial<TaskOutput>) => Promise<void>;
  readonly fail: (error: unknown) => Promise<void>;
  /** Rejects as a well-behaved task does once its signal has aborted. */
  readonly obeyAbort: () => Promise<void>;
}

/** A RunTask whose work is done by the test: `calls` holds what is running now, in the order of its start. */
export function handDriven(): {
  runTask: RunTask;
  calls: Invocation[];
  started: Task[];
  call: (id: TaskId) => Invocation;
} {
  const calls: Invocation[] = [];
  const started: Task[] = [];
  const runTask: RunTask = (task, context) =>
    new Promise((resolve, reject) => {
      const settle = async (end: () => void): Promise<void> => {
        calls.splice(calls.indexOf(invocation), 1);
        end();
        await settledPromises();
      };
      const invocation: Invocation = {
        task,
        context,
        succeed: (output) =>
          settle(() => {
            resolve({ ...defaultOutput(task), ...output } as TaskOutput);
          }),
        fail: (error) =>
          settle(() => {
            reject(error instanceof Error ? error : new Error(String(error)));
          }),
        obeyAbort: () =>
          settle(() => {
            reject(context.signal.reason as Error);
          }),
      };
      calls.push(invocation);
      started.push(task);
    });
  return {
    runTask,
    calls,
    started,
    call: (id) => {
      const found = calls.find((invocation) => invocation.task.id === id);
      if (!found)
        throw new Error(`${id} is not running; running: ${calls.map(({ task }) => task.id).join(", ")}`);
      return found;
    },
  };
}

/** What a task of this input would give: a build's image follows from its key alone, as a real one's does. */
export function defaultOutput({ input, key }: Task): TaskOutput {
  switch (input.kind) {
    case "build": {
      const imageId = `sha256:${key}`;
      return {
        kind: "build",
        ref: `${input.image.name}:${key}`,
        imageId,
        remembered: false,
        cachedSteps: 0,
        steps: 1,
        ...(input.synced === undefined ? {} : { synced: input.synced }),
      };
    }
    case "load":
      return { kind: "load", ref: input.ref, nodes: ["node"], present: [], bytes: 1 };
    case "render":
      return {
        kind: "render",
        hash: key.replaceAll("|", "/"),
        images: [...input.images],
        names: [...input.images],
        objects: 1,
      };
    case "deploy":
      return {
        kind: "deploy",
        created: 0,
        changed: 1,
        unchanged: 0,
        pruned: [],
        replaced: [],
        waiting: [],
        later: [],
        workloads: [],
      };
    case "sync":
      return {
        kind: "sync",
        containers: input.containers.map(({ id, pod, container }) => ({
          id,
          pod,
          container,
          written: 1,
          removed: 0,
          bytes: 1,
          restarted: false,
          commands: 0,
        })),
      };
    case "prune":
      return { kind: "prune", pruned: [] };
  }
}

/** Lets every promise that can settle do so. */
export async function settledPromises(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
