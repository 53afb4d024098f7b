import { PassThrough, type Readable } from "node:stream";
import type { LogQuery } from "../../engine/target.js";
import { writeChunk } from "../../lib/write-chunk.js";
import { demux } from "../demux.js";
import type { EngineContainers } from "../engine-containers.js";

/** The log of one run of a container, both outputs in the order in which the engine has them. */
export async function openRunLog(
  engine: EngineContainers,
  run: string,
  { follow, tailLines, sinceSeconds, sinceTime, signal }: LogQuery,
): Promise<Readable | undefined> {
  const since =
    sinceTime !== undefined
      ? Date.parse(sinceTime) / 1000
      : sinceSeconds !== undefined
        ? Math.floor(Date.now() / 1000) - sinceSeconds
        : undefined;
  const answer = await engine.logs(
    run,
    {
      follow,
      ...(tailLines === undefined ? {} : { tail: String(tailLines) }),
      ...(since === undefined ? {} : { since: String(since) }),
    },
    { signal },
  );
  if (!answer) return undefined;
  const lines = new PassThrough();
  lines.once("close", () => answer.destroy());
  void copy();
  return lines;

  async function copy(): Promise<void> {
    try {
      for await (const { data } of demux(answer as AsyncIterable<Buffer>)) await writeChunk(lines, data);
      lines.end();
    } catch (error) {
      lines.destroy(error as Error);
    }
  }
}
