import { addAbortListener } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { z } from "zod";
import type { ExecStream } from "../engine/target.js";
import { writeChunk } from "../lib/write-chunk.js";
import { demux } from "./demux.js";
import type { EngineApi } from "./dial.js";

/**
 * Runs a program in a container without a shell, its input open for as long as the caller wants. Throws when there is no such
 * container; whether the program could be started shows in `output`.
 */
export async function openExec(
  api: EngineApi,
  container: string,
  argv: readonly string[],
  { signal }: { readonly signal: AbortSignal },
): Promise<ExecStream> {
  const body = { AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false, Cmd: argv };
  const path = `/containers/${encodeURIComponent(container)}/exec`;
  const { Id } = createAnswer.parse(await api.json("POST", path, { signal, body }));
  const socket = await api.hijack(`/exec/${Id}/start`, { signal, body: { Detach: false, Tty: false } });
  const output = new PassThrough({ highWaterMark: 1024 * 1024 });
  // A failure that comes when nobody reads any more must not end the program.
  output.on("error", () => undefined);
  socket.on("error", () => undefined);
  const aborted = addAbortListener(signal, () => socket.destroy(signal.reason as Error));
  void read();

  async function read(): Promise<void> {
    let told = "";
    try {
      for await (const { from, data } of demux(socket)) {
        if (from === "stderr") told = (told + data.toString("utf8")).slice(0, 10_000);
        else await writeChunk(output, data);
      }
      // What could not be started is told on standard output, and by its exit code alone.
      const code = await exitCode();
      if (told.trim() !== "" || code > 0)
        output.destroy(new Error(told.trim() || `it exited with code ${code}`));
      else output.end();
    } catch (error) {
      output.destroy(error as Error);
    } finally {
      aborted[Symbol.dispose]();
      socket.destroy();
    }
  }

  async function exitCode(): Promise<number> {
    if (signal.aborted || output.destroyed) return 0;
    const { ExitCode } = inspectAnswer.parse(await api.json("GET", `/exec/${Id}/json`, { signal }));
    return ExitCode ?? 0;
  }

  const input = new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, done) {
      void writeChunk(socket, chunk).then(() => {
        done();
      });
    },
    final(done) {
      socket.end();
      done();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  input.on("error", () => undefined);
  return {
    input,
    output,
    [Symbol.dispose]() {
      socket.destroy();
    },
  };
}

const createAnswer = z.object({ Id: z.string() });
const inspectAnswer = z.object({ ExitCode: z.number().nullish() });
