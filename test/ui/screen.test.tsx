import { cleanup, render } from "ink-testing-library";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Attempt, Hold, RunningTask, State, SyncedContainer } from "../../src/engine/model.js";
import { LogBuffer } from "../../src/output/log-buffer.js";
import { App } from "../../src/ui/app.js";
import { paced, StoreContext } from "../../src/ui/context.js";
import { createTheme, ThemeContext } from "../../src/ui/theme.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import {
  sampleBuild,
  sampleHealth,
  sampleLogLine,
  sampleState,
  sampleTask,
  sampleTime,
  sampleWorkload,
  tasks,
} from "../fakes/state.js";
import { sampleEvents } from "../output/sample-events.js";

afterEach(() => {
  cleanup();
});

const agent = "Deployment/monitor-dev/monitor-agent";

function show(state: State = sampleState(), options: { columns?: number; rows?: number; hold?: Hold } = {}) {
  const { columns = 100, rows = 24, hold } = options;
  const store = scriptedStore(state);
  const logs = new LogBuffer();
  const actions = { rebuild: vi.fn(), pause: vi.fn(), resume: vi.fn(), quit: vi.fn(), interrupt: vi.fn() };
  const screen = render(
    <StoreContext.Provider value={paced(store, 1)}>
      <ThemeContext.Provider value={createTheme(false)}>
        <App
          dispatch={store.dispatch}
          logs={logs}
          actions={actions}
          holdOf={(_, id) => (id === "build:monitor-test" ? hold : undefined)}
          version="0.1.0"
          now={() => sampleTime + 12_000}
        />
      </ThemeContext.Provider>
    </StoreContext.Provider>,
  );
  resize(screen.stdout, columns, rows);
  const frame = (): string => screen.lastFrame() ?? "";
  const lines = (): readonly string[] => frame().split("\n");
  const line = (text: string): string => lines().find((each) => each.includes(text)) ?? "";
  /** Waits for a frame with the text in it: keys and events reach the screen a moment later. */
  const see = (text: string): Promise<void> =>
    vi.waitFor(() => {
      expect(frame()).toContain(text);
    });
  const press = async (keys: string, text: string): Promise<void> => {
    screen.stdin.write(keys);
    await see(text);
  };
  return { ...screen, store, logs, actions, frame, lines, line, see, press };
}

/** The library's terminal has a fixed size; this gives it another. */
function resize(stdout: ReturnType<typeof render>["stdout"], columns: number, rows: number): void {
  Object.defineProperties(stdout, {
    columns: { value: columns, configurable: true },
    rows: { value: rows, configurable: true },
  });
  stdout.emit("resize");
}

/** The state while monitor-agent builds. */
function building(): State {
  const progress = { message: "step 4 of 9: RUN npm ci", done: 4, total: 9 };
  const running: RunningTask = {
    status: "running",
    key: "k2",
    attempt: 2,
    startedAt: sampleTime + 9000,
    progress,
  };
  const task = sampleTask("build:monitor-agent", sampleBuild("monitor-agent"));
  return sampleState({
    tasks: { ...sampleState().tasks, ...tasks({ ...task, running }) },
    loops: [{ number: 2, startedAt: sampleTime + 9000, changed: [] }],
  });
}

function failedBuild(): State {
  const failure = {
    code: "BUILD_FAILED",
    message: "RUN npm ci failed with exit code 1 (services/monitor-agent/Dockerfile:7)",
    hint: "fix package.json: the build starts again by itself",
    detail: "npm error code ENOENT\nnpm error no package.json",
  } as const;
  const last: Attempt = {
    status: "failed",
    failure,
    key: "k2",
    attempt: 2,
    startedAt: sampleTime + 8000,
    endedAt: sampleTime + 9000,
  };
  const task = sampleTask("build:monitor-agent", sampleBuild("monitor-agent"));
  return sampleState({ tasks: { ...sampleState().tasks, ...tasks({ ...task, last }) } });
}

const synced: SyncedContainer = {
  ...{ id: "c1", pod: "monitor-agent-7d9c5b8f6-x2x4q", container: "monitor-agent" },
  ...{ written: 1, removed: 0, bytes: 40, restarted: true, commands: 0 },
};

/** An image whose newest change went into its container. */
function afterSync(output: Partial<SyncedContainer> = {}): State {
  const sample = sampleState();
  const image = sample.images["monitor-agent"]!;
  const source = { revision: "s2", changed: ["services/agent/src/main.js"], changedAt: sampleTime + 9000 };
  const task = sampleTask("sync:monitor-agent", {
    kind: "sync",
    containers: [{ ...synced, ...output }],
  });
  return {
    ...sample,
    images: { ...sample.images, "monitor-agent": { ...image, synced: source } },
    tasks: { ...sample.tasks, ...tasks(task) },
  };
}

function failedSync(): State {
  const failure = {
    code: "SYNC_FAILED",
    message: "monitor-agent: make exited with 2 in monitor-agent-7d9c5b8f6-x2x4q",
    detail: "src/main.c:10: error: identifier expected",
  } as const;
  const state = afterSync();
  const task = state.tasks["sync:monitor-agent"]!;
  const last = { ...task.last!, status: "failed", failure } as const;
  return { ...state, tasks: { ...state.tasks, ...tasks({ ...task, last }) } };
}

function crashed(): State {
  const { pod, container } = synced;
  return { ...afterSync(), crashed: { c1: { image: "monitor-agent", pod, container, exitCode: 1 } } };
}

function crashLoop(): State {
  const health = sampleHealth("monitor-agent", {
    ...{ status: "failed", ready: 0, restarts: 4, message: "0 of 1 pods ready" },
    cause: {
      reason: "CrashLoop",
      message: "exits with code 1: Error: no metrics",
      lines: ["Error: no metrics"],
    },
  });
  const { workloads } = sampleState();
  return sampleState({ workloads: { ...workloads, [agent]: sampleWorkload("monitor-agent", { health }) } });
}

describe("the screen", () => {
  it("shows what is starting before anything is known", () => {
    const { cluster: _, ...rest } = sampleState();
    const { line } = show(
      {
        ...rest,
        services: { engine: { status: "unknown" }, cluster: { status: "unknown" } },
        ...{ tasks: {}, workloads: {}, forwards: {} },
        loops: [{ number: 1, startedAt: sampleTime, changed: [] }],
      },
      { hold: { reason: "starting", on: "the files of its context" } },
    );
    expect(line("devloop monitor")).toMatch(/connecting to the cluster.*◐ starting/);
    expect(line("monitor-test")).toMatch(/○ monitor-test +waiting +waits for the files of its context/);
  });

  it("shows a row for each image, deploy and workload when all is well, with addresses", () => {
    const { line, frame } = show();
    expect(line("devloop monitor")).toMatch(/kind-monitor \/ monitor-dev +● ready in 3.2 s, 8s ago/);
    expect(line("steps cached")).toMatch(
      /● monitor-agent +built +10s +in 1.9 s, 5 of 7 steps cached, 1.2 MB loaded/,
    );
    expect(line("applied")).toMatch(/● deploy +applied +10s +1 changed, 7 unchanged/);
    expect(line("localhost:8888")).toMatch(/● monitor-agent +ready +8s +1\/1 +http:\/\/localhost:8888/);
    expect(frame()).toContain("http://localhost:3000");
    expect(frame()).toContain("r rebuild all");
  });

  it("shows how far a build is, and why another waits", () => {
    const { line } = show(building(), { hold: { reason: "dependency", on: "build:monitor-agent" } });
    expect(line("devloop monitor")).toContain("◐ building monitor-agent");
    expect(line("step 4")).toMatch(/◐ monitor-agent +building +3s +step 4 of 9: RUN npm ci/);
    expect(line("waits for")).toContain("waits for build of monitor-agent");
  });

  it("shows a failed build's reason, hint and output by itself", () => {
    const { line, frame } = show(failedBuild());
    expect(line("devloop monitor")).toContain("✗ monitor-agent failed");
    expect(line("›")).toMatch(/› ✗ monitor-agent +failed +3s +RUN npm ci failed with exit code 1/);
    expect(frame()).toContain("→ fix package.json: the build starts again by itself");
    expect(frame()).toContain("npm error no package.json");
  });

  it("shows why a workload crashes, with its last lines", () => {
    const { line, frame } = show(crashLoop());
    expect(line("›")).toMatch(
      /✗ monitor-agent +failing +12s +0\/1 +4 restarts, exits with code 1: Error: no metrics/,
    );
    expect(frame()).toContain("── monitor-agent: failing");
    expect(frame()).toMatch(/^Error: no metrics/m);
  });

  it("counts the age of a workload that is not ready from its youngest pod, not from its first day", () => {
    const { workloads } = sampleState();
    const health = sampleHealth("monitor-agent");
    const [pod] = health.pods;
    const old = { ...pod!, name: "old", current: false, createdAt: sampleTime + 11_000 };
    const young = { ...pod!, ready: false, createdAt: sampleTime + 9_000 };
    const starting = sampleHealth("monitor-agent", {
      ...{ status: "progressing", ready: 0, pods: [old, young], createdAt: sampleTime - 3_600_000 },
      message: "waiting for readiness: /ready answered 503",
    });
    const workload = sampleWorkload("monitor-agent", { health: starting });
    const { line } = show(sampleState({ workloads: { ...workloads, [agent]: workload } }));
    expect(line("503")).toMatch(
      /◐ monitor-agent +starting +3s +0\/1 +waiting for readiness: \/ready answered 503/,
    );
  });

  it("leaves out of a row's reason what the row says already", () => {
    const { workloads, tasks: known } = sampleState();
    const health = sampleHealth("monitor-agent", {
      ...{ status: "failed", ready: 0, restarts: 2 },
      cause: {
        reason: "CrashLoop",
        message: "container monitor-agent exited with code 1, restarted 2 times",
        container: "monitor-agent",
      },
    });
    const failure = {
      code: "BUILD_FAILED",
      message: "monitor-test: Dockerfile:7: unknown instruction",
    } as const;
    const last: Attempt = {
      ...{ status: "failed", failure, key: "k2", attempt: 2 },
      ...{ startedAt: sampleTime, endedAt: sampleTime },
    };
    const build = { ...sampleTask("build:monitor-test", sampleBuild("monitor-test")), last };
    const { line } = show(
      sampleState({
        workloads: { ...workloads, [agent]: sampleWorkload("monitor-agent", { health }) },
        tasks: { ...known, ...tasks(build) },
      }),
    );
    expect(line("exited")).toMatch(/failing +12s +0\/1 +exited with code 1, restarted 2 times/);
    expect(line("Dockerfile:7")).toMatch(/failed +12s +Dockerfile:7: unknown instruction/);
  });

  it("shows what the last build printed, and not what earlier ones did", async () => {
    const { logs, press, frame } = show();
    const printed = (text: string, time: number) =>
      sampleLogLine("monitor-agent", text, { workload: "build:monitor-agent", time });
    await press("j", "the last build printed nothing");
    logs.append([printed("of an earlier one", sampleTime - 1), printed("added 3 packages", sampleTime + 1)]);
    await press("", "added 3 packages");
    expect(frame()).not.toContain("of an earlier one");
  });

  it("names the file that was synced, and what followed", async () => {
    const { logs, line, press } = show(afterSync({ commands: 1, restarted: false }));
    expect(line("main.js")).toMatch(/● monitor-agent +synced +10s +main.js synced, 1 command run in 1.9 s/);
    logs.append([
      sampleLogLine("monitor-agent", "cc -o agent main.c", {
        ...{ workload: "sync:monitor-agent", time: sampleTime + 1 },
      }),
    ]);
    await press("", "monitor-agent sync │ cc -o agent main.c");
    await press("j", "last change: services/agent/src/main.js");
    await press("", "cc -o agent main.c");
  });

  it("shows what a command printed that failed after a sync", () => {
    const { line, frame } = show(failedSync());
    expect(line("›")).toMatch(/› ✗ monitor-agent +failed +10s +make exited with 2/);
    expect(frame()).toContain("src/main.c:10: error: identifier expected");
  });

  it("shows the last lines of a process that a sync broke, not those of other pods", async () => {
    const { logs, line, press, frame } = show(crashed());
    expect(line("›")).toMatch(/› ✗ monitor-agent +crashed +its process exited with 1/);
    const printed = (text: string, pod: string) => sampleLogLine("monitor-agent", text, { pod });
    logs.append([
      printed("all is well", "monitor-agent-other"),
      printed("SyntaxError: main.js:7", synced.pod),
    ]);
    await press("", "SyntaxError: main.js:7");
    expect(frame()).toContain("→ it starts again with the next change");
    expect(frame()).not.toContain("all is well");
  });

  it("says that a forward's port was taken, beside the address it has now", () => {
    const moved = { status: "listening", host: "127.0.0.1", port: 8889, moved: true } as const;
    const { forwards } = sampleState();
    const [id, forward] = Object.entries(forwards)[0]!;
    const { line } = show(sampleState({ forwards: { ...forwards, [id]: { ...forward, state: moved } } }));
    expect(line("8889")).toMatch(/ready +8s +1\/1 +port 8888 is taken +http:\/\/localhost:8889/);
  });

  it("says that it is paused, also while a build goes on", () => {
    expect(show(sampleState({ paused: true })).line("devloop monitor")).toContain("○ paused: p goes on");
    const { line } = show({ ...building(), paused: true });
    expect(line("devloop monitor")).toContain("◐ building monitor-agent, then paused");
  });

  it("says whether a loop works or waits while no task runs", () => {
    const loops = [{ number: 2, startedAt: sampleTime, changed: [] }];
    expect(show(sampleState({ loops })).line("devloop monitor")).toMatch(/◐ working$/);
    const hold = { reason: "unreachable", service: "cluster" } as const;
    expect(show(sampleState({ loops }), { hold }).line("devloop monitor")).toMatch(/○ waiting$/);
  });

  it("does not call forwards that start the loop's work", () => {
    const starting = { status: "starting" } as const;
    const forwards = Object.fromEntries(
      Object.entries(sampleState().forwards).map(([id, forward]) => [id, { ...forward, state: starting }]),
    );
    const loops = [{ number: 1, startedAt: sampleTime, changed: [] }];
    expect(show(sampleState({ forwards, loops, workloads: {} })).line("devloop monitor")).toMatch(
      /◐ starting$/,
    );
  });

  it("shows a config that cannot be used above everything", () => {
    const configFailure = {
      code: "CONFIG_INVALID",
      message: "devloop.yaml:7:5: unknown key dockerfil",
    } as const;
    expect(show(sampleState({ configFailure })).lines()[1]).toContain(
      "✗ devloop.yaml:7:5: unknown key dockerfil",
    );
  });

  it("shows all logs, and the logs of a selected row", async () => {
    const { logs, frame, see, press } = show();
    logs.append([
      sampleLogLine("monitor-agent", "from the agent"),
      sampleLogLine("monitor-test", "from the test"),
    ]);
    await see("monitor-agent │ from the agent");
    expect(frame()).toContain("monitor-test  │ from the test");
    await press("jjjj", "── monitor-agent: logs");
    expect(frame()).toContain("from the agent");
    expect(frame()).not.toContain("from the test");
    await press("a", "── all logs");
    await press("a", "── monitor-agent: logs");
    await press("\u001b[B", "── monitor-test: logs");
  });

  it("follows the store", async () => {
    const { store, see } = show();
    store.tell(sampleEvents["task.failed"], failedBuild());
    await see("✗ monitor-agent failed");
    store.tell(sampleEvents["task.started"], building());
    await see("◐ building monitor-agent");
  });

  it("asks for what its keys say", async () => {
    const { actions, store, stdin, press } = show();
    stdin.write("R");
    await vi.waitFor(() => {
      expect(actions.rebuild).toHaveBeenCalledWith();
    });
    await press("j", "r rebuild monitor-agent");
    stdin.write("r");
    await vi.waitFor(() => {
      expect(actions.rebuild).toHaveBeenLastCalledWith("monitor-agent");
    });
    await press("jj", "r apply again");
    stdin.write("r");
    await vi.waitFor(() => {
      expect(store.dispatched).toEqual([{ type: "trigger.requested", deploy: "k8s/overlays/dev" }]);
    });
    stdin.write("p");
    await vi.waitFor(() => {
      expect(actions.pause).toHaveBeenCalledOnce();
    });
    store.tell(sampleEvents["loop.paused"], sampleState({ paused: true }));
    await press("", "p go on");
    stdin.write("p");
    await vi.waitFor(() => {
      expect(actions.resume).toHaveBeenCalledOnce();
    });
  });

  it.each([
    ["q", "q", "quit", "interrupt"],
    ["ctrl-c", "\u0003", "interrupt", "quit"],
  ] as const)("ends on %s", async (_, key, called, other) => {
    const { actions, stdin } = show();
    stdin.write(key);
    await vi.waitFor(() => {
      expect(actions[called]).toHaveBeenCalledOnce();
    });
    expect(actions[other]).not.toHaveBeenCalled();
  });

  it("lists its keys on ?, and goes back", async () => {
    const { press, frame } = show();
    await press("?", "rebuild everything");
    expect(frame()).toContain("devloop 0.1.0");
    await press("?", "── all logs");
  });

  it.each([
    [60, 15],
    [80, 24],
    [120, 40],
    [300, 100],
  ])("fits a terminal of %d columns and %d rows, in every state", async (columns, rows) => {
    for (const state of [sampleState(), building(), failedBuild(), failedSync(), crashed(), crashLoop()]) {
      const { logs, lines, unmount } = show(state, { columns, rows });
      logs.append(
        Array.from({ length: 200 }, (_, n) => sampleLogLine("monitor-agent", `日本語 ${n} `.repeat(60))),
      );
      // Drawn at the new size once the rule is as wide as the terminal.
      await vi.waitFor(() => {
        expect(lines()).toHaveLength(rows - 1);
        expect(lines().some((each) => each.startsWith("── ") && each.length === columns)).toBe(true);
      });
      expect(lines().at(-1)).toMatch(/^r rebuild/);
      for (const each of lines()) expect(width(each)).toBeLessThanOrEqual(columns);
      unmount();
    }
  });

  it("keeps the selected row in sight when there are more than fit", async () => {
    const workloads = Array.from({ length: 40 }, (_, n) => sampleWorkload(`service-${n}`));
    const state = sampleState({ workloads: Object.fromEntries(workloads.map((each) => [each.id, each])) });
    const { press, line, lines } = show(state, { rows: 20 });
    expect(line("more rows")).toMatch(/\d+ more rows: j\/k/);
    await press("G", "service/monitor-test:3000: ".slice(0, -2));
    expect(lines().some((each) => each.startsWith("›"))).toBe(true);
    await press("g", "── monitor-agent: build output");
  });
});

/** Columns that a line takes: the test's own wide characters count double. */
function width(line: string): number {
  return line.length + (line.match(/[\u3000-\u9fff]/g)?.length ?? 0);
}
