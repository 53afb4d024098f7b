import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { State } from "../../src/engine/state.js";
import { sampleLogLine, sampleState, sampleTime } from "../fakes/state.js";
import { openScreen, type ScreenOptions } from "./open-screen.js";
import { afterSync, agent, building, buildingSteps, crashLoop, failedBuild } from "./states.js";

process.env["TZ"] = "UTC";

interface View {
  readonly state?: State;
  readonly options?: ScreenOptions;
  /** Keys, each with what stands on the screen after it. */
  readonly keys: readonly (readonly [key: string, shows: string | RegExp])[];
}

const manifest = (image: string): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: monitor-agent
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: monitor-agent
          image: ${image}
`;
const described = `Deployment/monitor-agent in monitor-dev: 1 of 1 pods ready

events
  12s  Normal   Scheduled  monitor-agent-7d9c5b8f6-x2x4q  Successfully assigned to monitor-control-plane
  11s  Warning  Unhealthy  monitor-agent-7d9c5b8f6-x2x4q  Readiness probe failed: connection refused

kind: Deployment
`;
const details = {
  manifest: () =>
    Promise.resolve({
      text: manifest("monitor-agent:devloop-2"),
      before: manifest("monitor-agent:devloop-1"),
    }),
  describe: () => Promise.resolve(described),
};

const saves: State = sampleState({
  loops: [
    {
      number: 1,
      startedAt: sampleTime - 60_000,
      changed: [],
      endedAt: sampleTime - 56_000,
      outcome: "ready",
    },
    {
      number: 2,
      startedAt: sampleTime - 40_000,
      changed: ["src/a.js"],
      endedAt: sampleTime - 38_200,
      outcome: "ready",
      took: { "image:monitor-agent": 900, [agent]: 1800 },
    },
    {
      number: 3,
      startedAt: sampleTime - 20_000,
      changed: ["src/b.js"],
      endedAt: sampleTime - 17_000,
      outcome: "failed",
    },
    {
      number: 4,
      startedAt: sampleTime - 300,
      changed: ["src/main.js"],
      endedAt: sampleTime + 4_100,
      outcome: "ready",
      took: { "image:monitor-agent": 1900, [agent]: 4400 },
    },
  ],
});

const views: Readonly<Record<string, View>> = {
  overview: { keys: [["", "server failed"]] },
  "a config and a cluster that are lost": {
    state: sampleState({
      configFailure: {
        code: "CONFIG_INVALID",
        message: "devloop.yaml:7:5: images.monitor-agent: unknown key dockerfil",
        hint: "did you mean dockerfile?",
      },
      services: {
        engine: { status: "up" },
        cluster: {
          status: "down",
          failure: {
            code: "CLUSTER_UNREACHABLE",
            message: "the cluster kind-monitor does not answer",
            hint: "docker start monitor-control-plane",
          },
          since: sampleTime,
        },
      },
    }),
    keys: [["", "server failed"]],
  },
  paused: { state: sampleState({ paused: true }), keys: [["", "server failed"]] },
  "a build's steps": {
    state: buildingSteps(),
    keys: [["j", "npm warn deprecated"]],
  },
  "a deploy": { keys: [["jjj", "› ● deploy"]] },
  describe: { options: { details }, keys: [["jjjjd", "kind: Deployment"]] },
  building: { state: building(), keys: [["", "server failed"]] },
  "failed build": { state: failedBuild(), keys: [["", "npm error no package.json"]] },
  "crash loop": { state: crashLoop(), keys: [["", "server failed"]] },
  "a workload's logs": { keys: [["jjjj", "server failed"]] },
  "pods and events": { options: { details }, keys: [["jjjj2", "Unhealthy"]] },
  files: { state: afterSync(), keys: [["j3", "changed last"]] },
  manifest: { options: { details }, keys: [["jjjj5", "+           image: monitor-agent:devloop-2"]] },
  timings: { state: saves, keys: [["jjjj6", "p95"]] },
  "all logs, full": { keys: [["\r", /^devloop.*\n── all logs/]] },
  "logs with times, wrapped": { keys: [["tw\r", /^devloop.*\n── all logs[^]*03:04:06/]] },
  "a search": {
    keys: [
      ["/", "searches upwards"],
      ["failed\r", /q quit/],
    ],
  },
  "a filter": {
    keys: [
      ["f", "empty shows all"],
      ["/took_ms=?\\d/\r", /filter/],
    ],
  },
  "errors alone": {
    keys: [
      ["e", "warnings and errors"],
      ["e", "errors ──"],
    ],
  },
  help: { keys: [["?", "rebuild the selected image"]] },
  palette: {
    keys: [
      [":", "enter does it"],
      ["agent", ": agent"],
    ],
  },
};

describe.each([
  [80, 24],
  [120, 40],
])("on %d columns and %d rows", (columns, rows) => {
  it.each(Object.keys(views))("%s", async (name) => {
    const { state, options, keys } = views[name]!;
    const screen = await openScreen(state, { ...options, columns, rows });
    screen.logs.append([
      sampleLogLine("monitor-agent", "INFO listening on :8888", { time: sampleTime + 1000 }),
      sampleLogLine("monitor-agent", '{"level":"warn","msg":"slow query","took_ms":812,"table":"orders"}', {
        time: sampleTime + 1200,
      }),
      sampleLogLine("monitor-test", "名前 🎉 all checks passed", { time: sampleTime + 1300 }),
      sampleLogLine(
        "monitor-agent",
        `2026-01-02T03:04:06Z ERROR server failed: ${"because of this and that, ".repeat(6)}`,
        { time: sampleTime + 1400 },
      ),
    ]);
    for (const [key, shows] of keys) await screen.press(key, shows);
    const file = `screens/${columns}x${rows} ${name.replaceAll("'", "")}.txt`;
    const kept = await readFile(new URL(file, import.meta.url), "utf8").catch(() => undefined);
    // What was typed, and lines that were read from files, are drawn a moment later: it is the kept picture, or another that stays.
    let before = "";
    let since = 0;
    const rests = (): boolean => {
      const now = screen.frame();
      if (now !== before) since = Date.now();
      before = now;
      return `${now}\n` === kept || Date.now() - since > 3000;
    };
    await expect.poll(rests, { interval: 20 }).toBe(true);
    await expect(`${screen.frame()}\n`).toMatchFileSnapshot(file);
  });
});
