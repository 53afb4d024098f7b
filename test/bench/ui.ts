import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogStore } from "../../src/output/logs/log-store.js";
import { startUi } from "../../src/ui/start-ui.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import { sampleLogLine, sampleState, sampleWorkload } from "../fakes/state.js";
import { openTestTerminal } from "../ui/terminal.js";

const seconds = 60;
const linesPerSecond = 5000;

/** The screen of 300 workloads on 120×40 while they print 5,000 lines a second for a minute, and somebody presses a key now and then. */
export async function ui(): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-bench-ui-"));
  const logs = createLogStore(join(directory, "logs"));
  const names = Array.from({ length: 300 }, (_, n) => `service-${n}`);
  const workloads = names.map((name) => sampleWorkload(name));
  const store = scriptedStore(
    sampleState({ workloads: Object.fromEntries(workloads.map((each) => [each.id, each])) }),
  );
  const terminal = openTestTerminal(120, 40);
  const nothing = (): void => undefined;
  const screen = startUi({
    ...{
      store,
      logs,
      quit: nothing,
      interrupt: nothing,
      holdOf: () => undefined,
      version: "bench",
      color: true,
    },
    control: {
      ...{ trigger: nothing, restart: nothing, pause: nothing, resume: nothing },
      ...{ setSync: nothing, focus: nothing, stop: nothing },
    },
    details: {
      manifest: () => Promise.resolve(undefined),
      describe: () => Promise.resolve(""),
      previousLogs: () => Promise.resolve(""),
    },
    tools: { open: () => Promise.resolve(), save: () => Promise.resolve("") },
    stdin: terminal.stdin,
    stdout: terminal.stdout,
  });
  const keys: number[] = [];
  const memory: number[] = [];
  const over = new AbortController();
  // Somebody who does not wait for the lines, nor they for them.
  const person = (async () => {
    while (!terminal.rows().some((row) => row.includes("GET /things"))) await tick(2);
    while (!over.signal.aborted) {
      keys.push(await press("t"));
      memory.push(process.memoryUsage().rss);
      await tick(400);
    }
  })();
  const began = performance.now();
  const cpu = process.cpuUsage();
  let sent = 0;
  while (performance.now() - began < seconds * 1000) {
    const due = Math.floor(((performance.now() - began) / 1000) * linesPerSecond) - sent;
    logs.append(
      Array.from({ length: due }, (_, n) =>
        sampleLogLine(
          names[(sent + n) % 7] ?? "",
          `2026-01-02T03:04:05Z INFO GET /things/${sent + n} 200 in 12 ms, user 4711`,
        ),
      ),
    );
    sent += due;
    await logs.drain();
    await tick(10);
  }
  over.abort();
  await person;
  const used = process.cpuUsage(cpu);
  const tenth = Math.max(1, Math.floor(memory.length / 10));
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, each) => sum + each, 0) / values.length;
  const sorted = [...keys].sort((a, b) => a - b);
  const figures = {
    frames: screen.frames() / seconds,
    dropped: names.reduce((sum, name) => sum + logs.counts(sampleWorkload(name).id).dropped, 0),
    cpu: (used.user + used.system) / 1000 / (seconds * 1000),
    memory: [mean(memory.slice(tenth, 2 * tenth)), mean(memory.slice(-tenth))] as const,
    key: [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted[Math.floor(sorted.length * 0.95)] ?? 0] as const,
  };
  screen.unmount();
  await screen.waitUntilExit();
  await logs[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
  return [
    `screen, 300 workloads, ${sent} lines in ${seconds} s: ${figures.frames.toFixed(1)} frames a second, ${figures.dropped} lines dropped, ` +
      `${(figures.cpu * 100).toFixed(0)} % of a core with the terminal's model and the lines' making, ` +
      `${(figures.memory[0] / 1e6).toFixed(0)} MB at first and ${(figures.memory[1] / 1e6).toFixed(0)} MB at the end, ` +
      `key to screen ${figures.key[0].toFixed(0)} ms, p95 ${figures.key[1].toFixed(0)} ms`,
  ];

  /** Shows or hides the times of all logs, until it is seen. */
  async function press(key: string): Promise<number> {
    const timed = (): boolean => terminal.rows().some((row) => /^\d\d:\d\d:\d\d\.\d{3} /.test(row));
    const before = timed();
    const pressedAt = performance.now();
    terminal.stdin.push(key);
    while (timed() === before && performance.now() - pressedAt < 2000) await tick(2);
    return performance.now() - pressedAt;
  }
}

function tick(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
