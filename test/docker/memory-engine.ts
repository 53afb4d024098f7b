import type { EngineContainers, InspectedContainer } from "../../src/docker/engine-containers.js";
import { DevloopError } from "../../src/lib/errors.js";

type Call = "create" | "start" | "stop" | "remove" | "setRestart" | "put";

/** An engine's containers without an engine: for what no engine does when it is asked to. */
export function memoryEngine(): {
  readonly containers: EngineContainers;
  readonly all: () => readonly InspectedContainer[];
  readonly add: (fields: Partial<InspectedContainer> & { readonly running?: boolean }) => string;
  /** A container ends by itself. */
  readonly end: (id: string, exitCode: number) => void;
  /** The next call of that kind fails, as if the engine were gone. */
  readonly failNext: (call: Call) => void;
  readonly onStart: (listener: (container: InspectedContainer) => void) => void;
  /** What the engine does by itself when it ends, as it was told last. */
  readonly restartOf: (id: string) => string | undefined;
  /** Within how many seconds a container was to stop, last. */
  readonly graceOf: (id: string) => number | undefined;
  /** Containers do not stop before the promise is settled. */
  readonly holdStops: (until: Promise<void>) => void;
} {
  const known = new Map<string, InspectedContainer>();
  const changed = new Set<() => void>();
  const failing = new Set<Call>();
  let stops = Promise.resolve();
  const restarts = new Map<string, string>();
  const graces = new Map<string, number>();
  let onStart = (_container: InspectedContainer): void => undefined;
  let count = 0;

  function turn(call: Call): Promise<void> {
    const lost = new DevloopError("ENGINE_UNREACHABLE", `no ${call}`);
    return failing.delete(call) ? Promise.reject(lost) : Promise.resolve();
  }
  function find(id: string): InspectedContainer | undefined {
    return known.get(id) ?? [...known.values()].find(({ name }) => name === id);
  }
  function set(container: InspectedContainer): void {
    known.set(container.id, container);
    for (const listener of [...changed]) listener();
  }
  function state(running: boolean, exitCode = 0): InspectedContainer["state"] {
    const now = new Date().toISOString();
    return {
      ...{ status: running ? "running" : "exited", running, exitCode, oomKilled: false, error: "" },
      ...{ startedAt: now, finishedAt: now },
    };
  }
  function add({
    running = true,
    ...fields
  }: Partial<InspectedContainer> & { readonly running?: boolean }): string {
    const id = `c${(count += 1)}`;
    const createdAt = new Date().toISOString();
    set({
      id,
      name: id,
      labels: {},
      createdAt,
      restarts: 0,
      addresses: {},
      aliases: [],
      state: state(running),
      ...fields,
    });
    return id;
  }
  function end(id: string, exitCode: number): void {
    const container = find(id);
    if (container?.state.running) set({ ...container, state: state(false, exitCode) });
  }
  const none = (): Promise<never> => Promise.reject(new Error("not here"));

  const containers: EngineContainers = {
    list: (labels) =>
      Promise.resolve(
        [...known.values()].filter((container) =>
          labels.every((label) => {
            const [key = "", value = ""] = label.split("=");
            return container.labels[key] === value;
          }),
        ),
      ),
    inspect: (id, { signal }) =>
      signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve(find(id)),
    async create(name, body) {
      await turn("create");
      const { Labels } = body as { readonly Labels: Readonly<Record<string, string>> };
      const id = add({ name, labels: Labels, running: false });
      set({ ...(find(id) as InspectedContainer), state: { ...state(false), status: "created" } });
      return id;
    },
    async start(id) {
      await turn("start");
      const started = { ...(find(id) as InspectedContainer), state: state(true) };
      set(started);
      onStart(started);
    },
    async stop(id, seconds) {
      graces.set(id, seconds);
      await turn("stop");
      await stops;
      end(id, 143);
    },
    async remove(id) {
      await turn("remove");
      end(id, 137);
      known.delete(find(id)?.id ?? "");
    },
    wait: (id, { signal }) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (find(id)?.state.running && !signal.aborted) return;
          changed.delete(look);
          if (signal.aborted) reject(signal.reason as Error);
          else resolve();
        };
        signal.addEventListener("abort", look);
        changed.add(look);
        look();
      }),
    async setRestart(id, { Name }) {
      await turn("setRestart");
      restarts.set(id, Name);
    },
    async put() {
      await turn("put");
    },
    readFile: () => Promise.resolve(undefined),
    readDirectory: () => Promise.resolve(undefined),
    logs: none,
    ensureNetwork: () => Promise.resolve(),
    gateways: () => Promise.resolve([]),
    networks: () => Promise.resolve([]),
    removeNetwork: () => Promise.resolve(),
    ensureVolume: () => Promise.resolve(),
    volumes: () => Promise.resolve([]),
    removeVolume: () => Promise.resolve(),
    machine: () => Promise.resolve({ cpus: 1, memory: 1 }),
    pull: none,
    importImage: none,
  };
  return {
    ...{ containers, add, end },
    all: () => [...known.values()],
    failNext: (call) => void failing.add(call),
    onStart: (listener) => {
      onStart = listener;
    },
    restartOf: (id) => restarts.get(id),
    graceOf: (id) => graces.get(id),
    holdStops: (until) => {
      stops = until;
    },
  };
}
