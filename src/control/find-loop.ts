import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DevloopError } from "../lib/errors.js";
import { controlClient, type ControlClient } from "./client.js";
import type { Answer } from "./claim-socket.js";
import { loopIdentity, type LoopIdentity } from "./protocol.js";
import { filePart, ownDirectories } from "./socket-directory.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** A loop that runs now, and how to talk to it. */
export interface RunningLoop {
  readonly identity: LoopIdentity;
  readonly client: ControlClient;
}

/** How long whoever listens may take to say who it is, in ms. */
const whoMs = 15_000;

/** Asks whoever listens on a socket who it is. Throws LOOP_SILENT when it listens and does not say. */
export async function askWho(socket: string): Promise<Answer<RunningLoop>> {
  const client = controlClient(socket);
  try {
    const identity = loopIdentity.parse(
      await client.get("/v1/loop", {}, { signal: AbortSignal.timeout(whoMs) }),
    );
    return { kind: "answers", loop: { identity, client } };
  } catch (error) {
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING") return { kind: "nobody" };
    if (error instanceof DevloopError && error.code !== "LOOP_SILENT") throw error;
    throw new DevloopError("LOOP_SILENT", `a loop has ${socket} and does not say who it is`, {
      cause: error,
      hint: "is its process stopped? end it to start a new one",
    });
  }
}

/** The loops of a devloop.yaml that run now: one, unless its project's name differs by profile. `file` is its real path. */
export async function runningLoops(file: string, env: Environment): Promise<readonly RunningLoop[]> {
  const found: RunningLoop[] = [];
  for (const directory of await ownDirectories(env)) {
    const names = (await readdir(directory).catch(() => [])).filter(
      (name) => name.startsWith(filePart(file)) && name.endsWith(".sock"),
    );
    for (const name of names) {
      const answer = await askWho(join(directory, name));
      if (answer.kind === "answers") found.push(answer.loop);
    }
  }
  return found;
}

/** The running loop of a file. `nameOf` says which project is meant, asked only where several run. Throws LOOP_NOT_RUNNING. */
export async function findLoop(
  file: string,
  env: Environment,
  nameOf: () => Promise<string>,
): Promise<RunningLoop> {
  const loops = await runningLoops(file, env);
  const [only] = loops;
  if (only && loops.length === 1) return only;
  const name = loops.length === 0 ? undefined : await nameOf();
  const named = loops.find(({ identity }) => identity.project === name);
  if (named) return named;
  throw new DevloopError(
    "LOOP_NOT_RUNNING",
    name === undefined ? `no loop of ${file} runs` : `no loop of ${name} runs`,
    { hint: "devloop up starts one; devloop up --detach does so in the background" },
  );
}
