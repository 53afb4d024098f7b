import { describe, expect, it, type vi } from "vitest";
import type { Attempt } from "../../src/engine/task.js";
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
import { openScreen } from "./open-screen.js";
import { afterSync, agent, building, crashLoop, crashed, failedBuild, failedSync, synced } from "./states.js";
import { eventually } from "../eventually.js";

describe("the screen", () => {
  it("shows what is starting before anything is known", async () => {
    const { cluster: _, ...rest } = sampleState();
    const { line } = await openScreen(
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

  it("shows a row for each image, deploy and workload when all is well, with addresses", async () => {
    const { line, frame } = await openScreen();
    expect(line("devloop monitor")).toMatch(/kind-monitor \/ monitor-dev +● ready in 3.2 s, 8s ago/);
    expect(line("steps cached")).toMatch(
      /● monitor-agent +built +10s +in 1.9 s, 5 of 7 steps cached, 1.2 MB loaded/,
    );
    expect(line("applied")).toMatch(/● deploy +applied +10s +1 changed, 7 unchanged/);
    expect(line("localhost:8888")).toMatch(/● monitor-agent +ready +8s +1\/1 +http:\/\/localhost:8888/);
    expect(frame()).toContain("http://localhost:3000");
    expect(frame()).toContain("r rebuild all");
  });

  it("shows how far a build is, and why another waits", async () => {
    const { line } = await openScreen(building(), {
      hold: { reason: "dependency", on: "build:monitor-agent" },
    });
    expect(line("devloop monitor")).toContain("◐ building monitor-agent");
    expect(line("RUN npm ci")).toMatch(/◐ monitor-agent +building +3s +step 4 of 9: RUN npm ci/);
    expect(line("waits for")).toContain("waits for build of monitor-agent");
  });

  it("shows a failed build's reason, hint and output by itself", async () => {
    const { line, frame } = await openScreen(failedBuild());
    expect(line("devloop monitor")).toContain("✗ monitor-agent failed");
    expect(line("›")).toMatch(/› ✗ monitor-agent +failed +3s +RUN npm ci failed with exit code 1/);
    expect(frame()).toContain("→ fix package.json: the build starts again by itself");
    expect(frame()).toContain("npm error no package.json");
  });

  it("shows why a workload crashes, with its last lines", async () => {
    const { line, see } = await openScreen(crashLoop());
    expect(line("›")).toMatch(
      /✗ monitor-agent +failing +12s +0\/1 +4 restarts, exits with code 1: Error: no metrics/,
    );
    await see(/^Error: no metrics/m);
  });

  it("counts the age of a workload that is not ready from its youngest pod, not from its first day", async () => {
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
    const { line } = await openScreen(sampleState({ workloads: { ...workloads, [agent]: workload } }));
    expect(line("503")).toMatch(
      /◐ monitor-agent +starting +3s +0\/1 +waiting for readiness: \/ready answered 503/,
    );
  });

  it("leaves out of a row's reason what the row says already", async () => {
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
    const { line } = await openScreen(
      sampleState({
        workloads: { ...workloads, [agent]: sampleWorkload("monitor-agent", { health }) },
        tasks: { ...known, ...tasks(build) },
      }),
    );
    expect(line("exited")).toMatch(/failing +12s +0\/1 +exited with code 1, restarted 2 times/);
    expect(line("Dockerfile:7")).toMatch(/failed +12s +Dockerfile:7: unknown instruction/);
  });

  it("shows what the last build printed, and not what earlier ones did", async () => {
    const { logs, press, frame } = await openScreen();
    const printed = (text: string, time: number) =>
      sampleLogLine("monitor-agent", text, { workload: "build:monitor-agent", time });
    await press("j", "the last build printed nothing");
    logs.append([printed("of an earlier one", sampleTime - 1), printed("added 3 packages", sampleTime + 1)]);
    await press("", "added 3 packages");
    expect(frame()).not.toContain("of an earlier one");
  });

  it("names the file that was synced, and what followed", async () => {
    const { logs, line, press } = await openScreen(afterSync({ commands: 1, restarted: false }));
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

  it("shows what a command printed that failed after a sync", async () => {
    const { line, frame } = await openScreen(failedSync());
    expect(line("›")).toMatch(/› ✗ monitor-agent +failed +10s +make exited with 2/);
    expect(frame()).toContain("src/main.c:10: error: identifier expected");
  });

  it("shows the last lines of a process that a sync broke, not those of other pods", async () => {
    const { logs, line, press, frame } = await openScreen(crashed());
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

  it("says that a forward's port was taken, beside the address it has now", async () => {
    const moved = { status: "listening", host: "127.0.0.1", port: 8889, moved: true } as const;
    const { forwards } = sampleState();
    const [id, forward] = Object.entries(forwards)[0]!;
    const { line } = await openScreen(
      sampleState({ forwards: { ...forwards, [id]: { ...forward, state: moved } } }),
    );
    expect(line("8889")).toMatch(/ready +8s +1\/1 +port 8888 is taken +http:\/\/localhost:8889/);
  });

  it("says that it is paused, also while a build goes on", async () => {
    expect((await openScreen(sampleState({ paused: true }))).line("devloop monitor")).toContain(
      "○ paused: changes are noticed and wait",
    );
    const { line } = await openScreen({ ...building(), paused: true });
    expect(line("devloop monitor")).toContain("◐ building monitor-agent, step 4 of 9, then paused");
  });

  it("says whether a loop works or waits while no task runs", async () => {
    const loops = [{ number: 2, startedAt: sampleTime, changed: [] }];
    expect((await openScreen(sampleState({ loops }))).line("devloop monitor")).toMatch(/◐ working$/);
    const hold = { reason: "unreachable", service: "cluster" } as const;
    expect((await openScreen(sampleState({ loops }), { hold })).line("devloop monitor")).toMatch(
      /○ waiting: monitor-test waits for the cluster$/,
    );
  });

  it("does not call forwards that start the loop's work", async () => {
    const starting = { status: "starting" } as const;
    const forwards = Object.fromEntries(
      Object.entries(sampleState().forwards).map(([id, forward]) => [id, { ...forward, state: starting }]),
    );
    const loops = [{ number: 1, startedAt: sampleTime, changed: [] }];
    expect(
      (await openScreen(sampleState({ forwards, loops, workloads: {} }))).line("devloop monitor"),
    ).toMatch(/◐ starting$/);
  });

  it("shows a config that cannot be used above everything", async () => {
    const configFailure = {
      code: "CONFIG_INVALID",
      message: "devloop.yaml:7:5: unknown key dockerfil",
    } as const;
    expect((await openScreen(sampleState({ configFailure }))).lines()[1]).toContain(
      "✗ devloop.yaml:7:5: unknown key dockerfil",
    );
  });

  it("shows all logs, and the logs of a selected row", async () => {
    const { logs, frame, see, press } = await openScreen();
    logs.append([
      sampleLogLine("monitor-agent", "from the agent"),
      sampleLogLine("monitor-test", "from the test"),
    ]);
    await see("monitor-agent │ from the agent");
    expect(frame()).toContain("monitor-test  │ from the test");
    await press("jjjj", "── monitor-agent  1 logs");
    expect(frame()).toContain("from the agent");
    expect(frame()).not.toContain("from the test");
    await press("a", "── all logs");
    await press("a", "── monitor-agent  1 logs");
    await press("\u001b[B", "── monitor-test  1 logs");
  });

  it("shows what a workload printed before its last restart, and goes back", async () => {
    const { logs, press, frame } = await openScreen(crashLoop(), {
      details: { previousLogs: () => Promise.resolve("starting\nError: no metrics before") },
    });
    logs.append([sampleLogLine("monitor-agent", "the run of now")]);
    await press("", "the run of now");
    await press("P", "no metrics before");
    expect(frame()).not.toContain("the run of now");
    await press("P", "the run of now");
  });

  it("follows the store", async () => {
    const { store, see } = await openScreen();
    store.tell(sampleEvents["task.failed"], failedBuild());
    await see("✗ monitor-agent failed");
    store.tell(sampleEvents["task.started"], building());
    await see("◐ building monitor-agent");
  });

  it("asks for what its keys say", async () => {
    const { control, store, terminal, tools, see, press } = await openScreen();
    const key = async (name: string, asked: ReturnType<typeof vi.fn>, ...what: unknown[]): Promise<void> => {
      terminal.stdin.push(name);
      await eventually(() => {
        expect(asked).toHaveBeenLastCalledWith(...what);
      });
    };
    await key("R", control.trigger);
    await press("j", "› ● monitor-agent");
    await key("r", control.trigger, "monitor-agent");
    await press("S", "monitor-agent: no files are synced");
    await key("F", control.focus, ["monitor-agent"]);
    await press("jj", "r apply again");
    await key("r", control.trigger, "k8s/overlays/dev");
    await press("j", "x restart");
    await key("x", control.restart, agent);
    await key("o", tools.open, "http://localhost:8888");
    await key("p", control.pause);
    store.tell(sampleEvents["loop.paused"], sampleState({ paused: true }));
    await see("paused: changes are noticed and wait");
    await key("p", control.resume);
    await press("!", "there is no shell here");
  });

  it.each([
    ["q", "q", "quit", "interrupt"],
    ["ctrl-c", "\u0003", "interrupt", "quit"],
  ] as const)("ends on %s", async (_, key, called, other) => {
    const { actions, terminal } = await openScreen();
    terminal.stdin.push(key);
    await eventually(() => {
      expect(actions[called]).toHaveBeenCalledOnce();
    });
    expect(actions[other]).not.toHaveBeenCalled();
  });

  it("lists its keys on ?, and goes back", async () => {
    const { press } = await openScreen();
    await press("?", "rebuild the selected image");
    await press("G", "devloop 0.1.0");
    await press("?", "── all logs");
  });

  it.each([
    [60, 15],
    [80, 24],
    [120, 40],
    [300, 100],
  ])("fits a terminal of %d columns and %d rows, in every state", async (columns, rows) => {
    for (const state of [sampleState(), building(), failedBuild(), failedSync(), crashed(), crashLoop()]) {
      const { logs, lines, close } = await openScreen(state, { columns, rows });
      logs.append(
        Array.from({ length: 200 }, (_, n) => sampleLogLine("monitor-agent", `日本語 ${n} `.repeat(60))),
      );
      // Drawn at the new size once the rule is as wide as the terminal.
      await eventually(() => {
        expect(lines()).toHaveLength(rows);
        expect(lines().some((each) => each.startsWith("── ") && each.length === columns)).toBe(true);
        expect(lines().at(-1)).toMatch(/^r rebuild .*q quit$/);
      });
      for (const each of lines()) expect(width(each)).toBeLessThanOrEqual(columns);
      await close();
    }
  });

  it("keeps the selected row in sight when there are more than fit", async () => {
    const workloads = Array.from({ length: 40 }, (_, n) => sampleWorkload(`service-${n}`));
    const state = sampleState({ workloads: Object.fromEntries(workloads.map((each) => [each.id, each])) });
    const { press, line, lines } = await openScreen(state, { rows: 20 });
    await eventually(() => {
      expect(line("more rows")).toMatch(/\d+ more rows/);
    });
    await press("G", "service/monitor-test:3000: ".slice(0, -2));
    expect(lines().some((each) => each.startsWith("›"))).toBe(true);
    await press("g", "── monitor-agent  1 build");
  });
});

/** Columns that a line takes: the test's own wide characters count double. */
function width(line: string): number {
  return line.length + (line.match(/[\u3000-\u9fff]/g)?.length ?? 0);
}
