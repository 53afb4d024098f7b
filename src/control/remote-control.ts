import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import type { ControlClient } from "./client.js";

/** What a person asks of a loop in another process. `onProblem` hears of what could not be asked. */
export function remoteControl(
  client: ControlClient,
  { signal, onProblem }: { readonly signal: AbortSignal; readonly onProblem: (error: unknown) => void },
): LoopControl {
  const ask: ControlClient["ask"] = async (name, body) => {
    try {
      await client.ask(name, body, { signal });
    } catch (error) {
      if (!signal.aborted) onProblem(error);
    }
  };
  return {
    trigger: (resource) => void ask("trigger", resource === undefined ? {} : { resource }),
    restart: (workload) => void ask("restart", { workload }),
    pause: () => void ask("pause", {}),
    resume: () => void ask("resume", {}),
    setSync: (on, image) => void ask("sync", { on, ...(image === undefined ? {} : { image }) }),
    focus: (images) => void ask("focus", { images: [...images] }),
    stop: () => void ask("stop", {}),
  };
}

/** What another process's loop tells of a resource. */
export function remoteDetails(client: ControlClient): ResourceDetails {
  return {
    manifest: (workload, options) =>
      client.get("/v1/manifest", { workload }, options) as ReturnType<ResourceDetails["manifest"]>,
    async describe(workload, options) {
      const { text } = (await client.get("/v1/describe", { workload }, options)) as { text: string };
      return text;
    },
    async previousLogs(workload, options) {
      const { text } = (await client.get("/v1/previous-logs", { workload }, options)) as { text: string };
      return text;
    },
  };
}
