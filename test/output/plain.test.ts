import { describe, expect, it } from "vitest";
import type { Event } from "../../src/engine/event.js";
import { wantsColor } from "../../src/output/paint.js";
import { plainOutput } from "../../src/output/plain.js";
import { scriptedLogs, scriptedStore } from "../fakes/scripted-store.js";
import { SlowStream } from "../fakes/slow-stream.js";
import { sampleLogLine, sampleState, sampleTime } from "../fakes/state.js";
import { sampleEvents } from "./sample-events.js";

function start({
  color = false,
  showLogs = true,
  redact,
}: { color?: boolean; showLogs?: boolean; redact?: (text: string) => string } = {}) {
  const store = scriptedStore(sampleState());
  const logs = scriptedLogs();
  const stdout = new SlowStream();
  const output = plainOutput({ store, logs, stdout, color, showLogs, ...(redact ? { redact } : {}) });
  return { store, logs, stdout, output };
}

function progress(message: string, ms: number): Event {
  return { ...sampleEvents["task.progress"], at: sampleTime + ms, progress: { message } };
}

describe("plain output", () => {
  it("puts each thing's name before its lines, in one column", () => {
    const { store, logs, stdout } = start();
    store.tell(sampleEvents["task.started"]);
    store.tell(sampleEvents["task.failed"]);
    store.tell(sampleEvents["loop.paused"]);
    logs.send(sampleLogLine("monitor-test", "listening"));
    expect(stdout.lines).toEqual([
      "monitor-agent  building",
      "monitor-agent  build failed after 0 ms",
      "                 RUN npm ci failed",
      "                   npm error",
      "                 → fix package.json",
      "devloop        paused: changes are noticed and wait",
      "monitor-test  │ listening",
    ]);
  });

  it("prints a step that took a second or more, once it is over", () => {
    const { store, stdout } = start();
    store.tell(progress("step 1 of 9: FROM node", 0));
    store.tell(progress("step 4 of 9: RUN npm ci", 100));
    store.tell(progress("step 4 of 9: RUN npm ci", 700));
    store.tell(progress("step 5 of 9: COPY . .", 1300));
    store.tell({ ...sampleEvents["task.succeeded"], at: sampleTime + 1400 });
    expect(stdout.lines.slice(0, -1)).toEqual(["monitor-agent  step 4 of 9: RUN npm ci  1.2 s"]);
  });

  it("shows life every few seconds of a long step", () => {
    const { store, stdout } = start();
    for (let ms = 0; ms <= 11_000; ms += 100) store.tell(progress(`pulling: ${ms}`, ms));
    expect(stdout.lines).toEqual(["monitor-agent  pulling: 5000 …", "monitor-agent  pulling: 10000 …"]);
  });

  it("tells containers of one workload apart, and the run before a restart", () => {
    const { logs, stdout } = start();
    logs.send(
      sampleLogLine("monitor-agent", "up"),
      sampleLogLine("monitor-agent", "proxy up", { container: "proxy" }),
      sampleLogLine("monitor-agent", "bye", { previous: true }),
    );
    expect(stdout.lines).toEqual([
      "monitor-agent │ up",
      "monitor-agent/proxy │ proxy up",
      "monitor-agent/monitor-agent │ (before its restart) bye",
    ]);
  });

  it("shows no logs where none are wanted", () => {
    const { logs, stdout } = start({ showLogs: false });
    logs.send(sampleLogLine("monitor-agent", "up"));
    expect(stdout.text).toBe("");
  });

  it("colours only where colour is wanted, with the same words", () => {
    const plain = start();
    const colored = start({ color: true });
    for (const { store, logs } of [plain, colored]) {
      for (const event of Object.values(sampleEvents)) store.tell(event);
      logs.send(sampleLogLine("monitor-agent", "\u001b[32mgreen\u001b[2J"));
    }
    expect(plain.stdout.text).not.toContain("\u001b");
    expect(colored.stdout.text).toContain("\u001b[32mgreen\u001b[0m\n");
    expect(colored.stdout.text.replace(/\u001b\[\d+m/g, "")).toBe(plain.stdout.text);
  });

  it("hides secret values in failures and logs", () => {
    const { store, logs, stdout } = start({ redact: (text) => text.replaceAll("npm", "(hidden)") });
    store.tell(sampleEvents["task.failed"]);
    logs.send(sampleLogLine("monitor-agent", "npm start"));
    expect(stdout.text).not.toContain("npm");
  });

  it("holds the sender back while its reader is slow, and loses no line", async () => {
    const { logs, stdout, output } = start();
    stdout.hold();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 2000; sent += 1) {
        logs.send(sampleLogLine("monitor-agent", `line ${sent}`));
        await output.drain();
      }
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(100);
    stdout.release();
    await sending;
    expect(stdout.lines).toHaveLength(2000);
  });
});

it("wants colour on a terminal that can, without NO_COLOR", () => {
  expect(wantsColor({ isTTY: true }, {})).toBe(true);
  expect(wantsColor({ isTTY: true }, { NO_COLOR: "" })).toBe(true);
  expect(wantsColor({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
  expect(wantsColor({ isTTY: true }, { TERM: "dumb" })).toBe(false);
  expect(wantsColor({}, {})).toBe(false);
});
