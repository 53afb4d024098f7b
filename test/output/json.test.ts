import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Project } from "../../src/engine/project.js";
import { eventsJsonSchema, outputEvent } from "../../src/output/event-schema.js";
import { jsonOutput } from "../../src/output/json.js";
import { createRedactor } from "../../src/output/redact.js";
import { scriptedLogs, scriptedStore } from "../fakes/scripted-store.js";
import { SlowStream } from "../fakes/slow-stream.js";
import { sampleLogLine, sampleProject, sampleState, sampleTime } from "../fakes/state.js";
import { sampleEvents, sampleOutputs } from "./sample-events.js";

function start({
  state = sampleState(),
  redact,
}: { state?: ReturnType<typeof sampleState>; redact?: (text: string) => string } = {}) {
  const store = scriptedStore(state);
  const logs = scriptedLogs();
  const stdout = new SlowStream();
  const output = jsonOutput({ store, logs, stdout, version: "0.1.0", ...(redact ? { redact } : {}) });
  const events = () => stdout.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { store, logs, stdout, output, events };
}

describe("JSON output", () => {
  it("begins with the session", () => {
    const { events } = start();
    expect(events()[0]).toMatchObject({
      v: 1,
      time: "2026-01-02T03:04:05.000Z",
      type: "session.started",
      version: "0.1.0",
      project: { name: "monitor", images: [{ name: "monitor-agent" }, { name: "monitor-test" }] },
    });
  });

  it("prints every type of event as its schema says", () => {
    const { store, logs, events } = start();
    const running = sampleState({ loops: [{ number: 2, startedAt: sampleTime, changed: ["a.js"] }] });
    store.tell(sampleEvents["loop.resumed"], running);
    const ended = { number: 2, startedAt: sampleTime, endedAt: sampleTime + 900, changed: ["a.js"] };
    store.tell(sampleEvents["service.up"], sampleState({ loops: [{ ...ended, outcome: "ready" }] }));
    for (const event of Object.values(sampleEvents)) store.tell(event);
    for (const output of sampleOutputs) store.tell({ ...sampleEvents["task.succeeded"], output });
    logs.send(
      sampleLogLine("monitor-agent", "listening"),
      sampleLogLine("monitor-agent", "x", { previous: true }),
    );

    for (const event of events()) outputEvent.parse(event);
    const printed = new Set(events().map((event) => event["type"]));
    expect([...printed].sort()).toEqual(outputEvent.options.map((each) => each.shape.type.value).sort());
    expect(events().find((event) => event["type"] === "loop.ended")).toMatchObject({
      number: 2,
      outcome: "ready",
      durationMs: 900,
    });
  });

  it("prints no build argument, Helm value or task input", () => {
    const image = { ...sampleProject.images[0]!, args: { NPM_TOKEN: "do-not-print" } };
    const project: Project = {
      ...sampleProject,
      images: [image],
      deploys: [
        {
          ...{ id: "web", kind: "helm", release: "web", chart: "/c", values: [], specHash: "x" },
          set: { password: "do-not-print" },
        },
      ],
    };
    const { store, stdout } = start({ state: sampleState({ project }) });
    store.tell({ ...sampleEvents["config.loaded"], project });
    store.tell({
      ...sampleEvents["task.started"],
      task: { id: "build:a", key: "do-not-print", attempt: 1, input: { kind: "build", image, bases: {} } },
    });
    expect(stdout.text).toContain("NPM_TOKEN");
    expect(stdout.text).toContain('"set":["password"]');
    expect(stdout.text).not.toContain("do-not-print");
  });

  it("hides secret values in text and leaves the words of the format alone", () => {
    const redactor = createRedactor();
    redactor.add(["monitor-agent", 'quo"ted', "log.line"]);
    const { logs, events } = start({ redact: redactor.redact });
    logs.send(sampleLogLine("monitor-agent", 'connect to monitor-agent with quo"ted'));
    expect(events().at(-1)).toMatchObject({
      type: "log.line",
      workload: "Deployment/monitor-dev/monitor-agent",
      text: "connect to (hidden) with (hidden)",
    });
  });

  it("holds the sender back while its reader is slow, and loses no line", async () => {
    const { logs, stdout, output, events } = start();
    stdout.hold();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 2000; sent += 1) {
        logs.send(sampleLogLine("monitor-agent", `line ${sent}`));
        await output.drain();
      }
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(20);
    stdout.release();
    await sending;
    const texts = events().flatMap((event) => (event["type"] === "log.line" ? [event["text"]] : []));
    expect(texts).toEqual(Array.from({ length: 2000 }, (_, n) => `line ${n}`));
  });

  it("lets the sender go on when the reader has gone, or the signal says so", async () => {
    const { logs, stdout, output } = start();
    stdout.hold();
    logs.send(sampleLogLine("monitor-agent", "x".repeat(5000)));
    const stop = new AbortController();
    const drained = output.drain({ signal: stop.signal });
    stop.abort(new Error("stopped"));
    await expect(drained).rejects.toThrow("stopped");

    const gone = output.drain();
    stdout.destroy(new Error("EPIPE"));
    await gone;
    logs.send(sampleLogLine("monitor-agent", "for nobody"));
    await output.drain();
  });

  it("writes nothing more once it is disposed of", () => {
    const { store, logs, stdout, output } = start();
    const before = stdout.text;
    output[Symbol.dispose]();
    store.tell(sampleEvents["loop.paused"]);
    logs.send(sampleLogLine("monitor-agent", "late"));
    expect(stdout.text).toBe(before);
  });
});

it("schema/events.schema.json is current (npm run schema)", () => {
  const file = new URL("../../schema/events.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(eventsJsonSchema());
});

it("docs/events.md names every event and every field of it", () => {
  const docs = readFileSync(new URL("../../docs/events.md", import.meta.url), "utf8");
  for (const { shape } of outputEvent.options) {
    const section = docs.split(/^### /m).find((part) => part.startsWith(`\`${shape.type.value}\``));
    expect(section, `a section for ${shape.type.value}`).toBeDefined();
    for (const field of Object.keys(shape).filter((name) => !["v", "time", "type"].includes(name)))
      expect(section, `${field} of ${shape.type.value}`).toContain(`\`${field}\``);
  }
});
