import { join } from "node:path";
import { version } from "../lib/version.js";
import { claimSocket, socketIdentity } from "./claim-socket.js";
import { createEventStreams } from "./event-streams.js";
import { askWho, type RunningLoop, runningLoops } from "./find-loop.js";
import type { ServedLoop } from "./loop.js";
import type { LoopIdentity } from "./protocol.js";
import { controlServer } from "./server.js";
import { makeSocketDirectory, socketName } from "./socket-directory.js";

/** How often it is looked whether the socket is still there, in ms. */
const lookMs = 10_000;

/** A loop's socket, open until it is disposed of. */
export interface LoopSocket extends AsyncDisposable {
  readonly path: string;
  readonly identity: LoopIdentity;
}

export interface ServeOptions {
  /** The real path of devloop.yaml. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** At its end the loop removes what it deployed. */
  readonly cleanup?: boolean;
  readonly signal: AbortSignal;
}

/** Opens a loop's socket; where one of the same project runs already, that one is returned instead. Throws SOCKET_REFUSED. */
export async function serveLoop(
  loop: ServedLoop,
  { file, env, cleanup = false, signal }: ServeOptions,
): Promise<
  | { readonly kind: "serving"; readonly socket: LoopSocket }
  | { readonly kind: "running"; readonly loop: RunningLoop }
> {
  const { project, startedAt } = loop.store.getSnapshot();
  const identity: LoopIdentity = {
    v: 1,
    version,
    pid: process.pid,
    startedAt: new Date(startedAt).toISOString(),
    project: project.name,
    root: project.root,
    file,
    ...(cleanup ? { cleanup } : {}),
  };
  const directory = await makeSocketDirectory(env);
  // It may have been started with another environment, and have its socket in another of the directories.
  const elsewhere = (await runningLoops(file, env)).find((each) => each.identity.project === project.name);
  if (elsewhere) return { kind: "running", loop: elsewhere };

  const path = join(directory, socketName(file, project.name));
  const streams = createEventStreams(loop, identity);
  const first = controlServer(loop, { identity, streams, signal });
  const servers = [first];
  const running = await claimSocket(first.server, path, askWho);
  if (running) {
    streams[Symbol.dispose]();
    return { kind: "running", loop: running };
  }
  let place = await socketIdentity(path);
  let mending = Promise.resolve();
  // Temporary directories are swept of what is old: who looks for the loop must find it all the same.
  const watch = setInterval(() => {
    mending = mending.then(mend, () => undefined);
  }, lookMs).unref();

  async function mend(): Promise<void> {
    if ((await socketIdentity(path)) === place) return;
    // Whoever has the place now keeps it: the loop goes on without a socket.
    if ((await askWho(path)).kind === "answers") return;
    // Those who are connected stay; closing also removes whatever stands at the path, so it comes first.
    for (const { server } of servers) if (server.listening) server.close();
    const next = controlServer(loop, { identity, streams, signal });
    await makeSocketDirectory(env);
    if (await claimSocket(next.server, path, askWho)) return;
    servers.push(next);
    place = await socketIdentity(path);
  }

  return {
    kind: "serving",
    socket: {
      path,
      identity,
      async [Symbol.asyncDispose]() {
        clearInterval(watch);
        await mending.catch(() => undefined);
        streams[Symbol.dispose]();
        await Promise.all(servers.map((each) => each[Symbol.asyncDispose]()));
      },
    },
  };
}
