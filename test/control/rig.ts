import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localControl } from "../../src/commands/session/loop-control.js";
import { controlClient, type ControlClient } from "../../src/control/client.js";
import { serveLoop } from "../../src/control/serve-loop.js";
import type { State } from "../../src/engine/state.js";
import { createStore, type Store } from "../../src/engine/store.js";
import { createLogStore, type LogStore } from "../../src/output/logs/log-store.js";
import { createRedactor, type Redactor } from "../../src/output/redact.js";

/** A loop's socket over a real store and real log files; nothing runs behind it. */
export interface ServedStore extends AsyncDisposable {
  readonly store: Store;
  readonly logs: LogStore;
  readonly redactor: Redactor;
  readonly client: ControlClient;
  readonly env: Readonly<Record<string, string>>;
  /** What stands for devloop.yaml's path. */
  readonly file: string;
  readonly stopped: () => boolean;
  readonly serve: typeof serveLoop;
}

export async function serveStore(state: State): Promise<ServedStore> {
  const root = await mkdtemp(join(tmpdir(), "dl-"));
  const store = createStore(state);
  const logs = createLogStore(join(root, "logs"));
  const redactor = createRedactor();
  const env = { XDG_RUNTIME_DIR: root };
  const file = join(root, "devloop.yaml");
  let stopped = false;
  const life = new AbortController();
  const served = await serveLoop(
    {
      store,
      logs,
      control: localControl(store, { onStop: () => (stopped = true) }),
      details: {
        manifest: () => Promise.resolve({ text: "kind: Deployment\n" }),
        describe: (id) => Promise.resolve(`described ${id}`),
        previousLogs: (id) => Promise.resolve(`before ${id}`),
      },
      redact: redactor.redact,
    },
    { file, env, signal: life.signal },
  );
  if (served.kind !== "serving") throw new Error("somebody else has the socket");
  return {
    store,
    logs,
    redactor,
    client: controlClient(served.socket.path),
    env,
    file,
    stopped: () => stopped,
    serve: serveLoop,
    async [Symbol.asyncDispose]() {
      await served.socket[Symbol.asyncDispose]();
      life.abort();
      await logs[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
