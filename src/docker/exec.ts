import { addAbortListener, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { z } from "zod";
import { type ExecOptions, type ExecResult, engineUnreachable } from "../engine/container-engine.js";
import { DevloopError } from "../lib/errors.js";
import { demux } from "./demux.js";
import type { EngineApi } from "./dial.js";

/** Runs a program in a container: three exchanges, the second of which carries its input and outputs. */
export async function execIn(
  api: EngineApi,
  address: string,
  container: string,
  argv: readonly string[],
  { signal, env = {}, stdin, stdout }: ExecOptions,
): Promise<ExecResult> {
  const body = {
    AttachStdin: stdin !== undefined,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    Cmd: argv,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
  };
  const { Id } = createAnswer.parse(
    await api.json("POST", `/containers/${encodeURIComponent(container)}/exec`, { signal, body }),
  );
  const socket = await api.hijack(`/exec/${Id}/start`, { signal, body: { Detach: false, Tty: false } });
  using _aborted = addAbortListener(signal, () => socket.destroy(signal.reason as Error));
  const collected = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let inputError: Error | undefined;
  if (stdin) feed(stdin, socket, (error) => (inputError = error));
  let broken: unknown;
  try {
    for await (const { from, data } of demux(socket)) {
      if (from === "stderr" || stdout === undefined) collected[from].push(data);
      else if (!stdout.write(data)) await once(stdout, "drain", { signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (inputError !== undefined) throw inputError;
    // A program may end before it has read all its input; what it exited with tells more than the broken pipe.
    if (engineUnreachable(address, error) === undefined) throw error;
    broken = error;
  } finally {
    socket.destroy();
  }
  return {
    exitCode: await exitCode(api, Id, { signal, address, broken }),
    stdout: Buffer.concat(collected.stdout).toString("utf8"),
    stderr: Buffer.concat(collected.stderr).toString("utf8"),
  };
}

const createAnswer = z.object({ Id: z.string() });
const inspectAnswer = z.object({ Running: z.boolean(), ExitCode: z.number().nullish() });

function feed(stdin: Readable, socket: Socket, onError: (error: Error) => void): void {
  // pipe() alone lets a failed source hang the program on its input for ever.
  stdin.once("error", (error) => {
    onError(error);
    socket.destroy(error);
  });
  socket.once("close", () => stdin.destroy());
  stdin.pipe(socket);
}

/** The streams close a moment before the engine has noted the exit. */
async function exitCode(
  api: EngineApi,
  id: string,
  { signal, address, broken }: { signal: AbortSignal; address: string; broken: unknown },
): Promise<number> {
  for (let wait = 1; wait < 2000; wait *= 2) {
    const { Running, ExitCode } = inspectAnswer.parse(await api.json("GET", `/exec/${id}/json`, { signal }));
    if (!Running && typeof ExitCode === "number") return ExitCode;
    await delay(wait, undefined, { signal });
  }
  throw new DevloopError(
    "ENGINE_UNREACHABLE",
    `the container engine at ${address} lost a program it was running`,
    {
      cause: broken,
      hint: "is docker running? sudo systemctl status docker",
    },
  );
}
