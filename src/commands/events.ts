import { openRemoteStore } from "../control/remote-store.js";
import { writeChunk } from "../lib/write-chunk.js";
import { wantsColor } from "../output/paint.js";
import { plainOutput } from "../output/plain.js";
import { findRunning } from "./find-running.js";
import type { ProjectOptions } from "./session/session.js";

export interface EventsOptions extends ProjectOptions {
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** `devloop events`: what the running loop does from now on, in lines for people, or as JSON: the state first, then every event. */
export async function eventsCommand({ json, signal, ...options }: EventsOptions): Promise<number> {
  const { client } = await findRunning(options);
  if (json) {
    for await (const line of client.lines("/v1/events", {}, { signal })) {
      await writeChunk(process.stdout, Buffer.from(`${JSON.stringify(line)}\n`));
      if (process.stdout.destroyed) return 0;
    }
    return 0;
  }
  const store = await openRemoteStore(client, { signal });
  using _output = plainOutput({
    store,
    logs: { subscribeLines: () => () => undefined },
    stdout: process.stdout,
    color: wantsColor(process.stdout, process.env),
    showLogs: false,
  });
  await store.ended;
  return 0;
}
