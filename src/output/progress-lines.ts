import type { Event } from "../engine/event.js";
import type { TaskId } from "../engine/task.js";
import { duration } from "../lib/format.js";

/** A step shorter than this, in ms, is not worth a line. */
const worthALine = 1000;
/** Something is printed of a task at least this often, in ms, while it reports progress: a build server shows life. */
const patience = 5000;

/**
 * Thins a running task's progress to lines for an append-only output: each step that took a second or more, with its
 * time, once it is over; and where one goes on, what it is at every few seconds.
 */
export function createProgressLines(): (event: Event) => ProgressLine | undefined {
  const tasks = new Map<TaskId, Shown>();
  return (event) => {
    switch (event.type) {
      case "task.progress":
        return about(event.id, advance(event.id, event.progress.message, event.at));
      case "task.succeeded":
      case "task.failed":
        return about(event.id, end(event.id, event.at));
      case "task.started":
        tasks.delete(event.task.id);
        return undefined;
      default:
        return undefined;
    }
  };

  function advance(id: TaskId, message: string, at: number): string | undefined {
    const shown = tasks.get(id);
    if (!shown) {
      tasks.set(id, { message, since: at, printedAt: at });
      return undefined;
    }
    if (message !== shown.message) {
      const over = finished(shown, at);
      tasks.set(id, { message, since: at, printedAt: over === undefined ? shown.printedAt : at });
      return over ?? (at - shown.printedAt >= patience ? still(id, at) : undefined);
    }
    return at - shown.printedAt >= patience ? still(id, at) : undefined;
  }

  function still(id: TaskId, at: number): string | undefined {
    const shown = tasks.get(id);
    if (!shown) return undefined;
    tasks.set(id, { ...shown, printedAt: at });
    return `${shown.message} …`;
  }

  function end(id: TaskId, at: number): string | undefined {
    const shown = tasks.get(id);
    tasks.delete(id);
    return shown && finished(shown, at);
  }
}

export interface ProgressLine {
  readonly id: TaskId;
  readonly line: string;
}

interface Shown {
  readonly message: string;
  readonly since: number;
  readonly printedAt: number;
}

function finished({ message, since }: Shown, at: number): string | undefined {
  return at - since >= worthALine ? `${message}  ${duration(at - since)}` : undefined;
}

function about(id: TaskId, line: string | undefined): ProgressLine | undefined {
  return line === undefined ? undefined : { id, line };
}
