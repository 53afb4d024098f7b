import { mkdtemp, readdir, rm, stat, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogFilter, LogView } from "../../src/engine/log-source.js";
import type { LogLine } from "../../src/engine/state.js";
import { newLogDirectory, removeEndedLogs } from "../../src/output/logs/log-directory.js";
import { createLogStore, type LogLimits, type LogStore } from "../../src/output/logs/log-store.js";
import { recordTaskOutput } from "../../src/output/record-task-output.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import { sampleEvents } from "./sample-events.js";
import { sampleLogLine, sampleState } from "../fakes/state.js";

const agent = "Deployment/monitor-dev/monitor-agent";
const other = "Deployment/monitor-dev/monitor-test";

let parent: string;
let stores: LogStore[] = [];
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "devloop-logs-"));
});
afterEach(async () => {
  for (const store of stores) await store[Symbol.asyncDispose]();
  stores = [];
  await rm(parent, { recursive: true, force: true });
});

function open(limits: Partial<LogLimits> = {}): LogStore {
  const store = createLogStore(join(parent, "session"), limits);
  stores.push(store);
  return store;
}

const line = (text: string, over: Partial<LogLine> = {}): LogLine => ({
  ...sampleLogLine("monitor-agent", text),
  ...over,
});
/** Texts of many lines: filler, and one needle in a thousand. */
const many = (count: number): LogLine[] =>
  Array.from({ length: count }, (_, n) => line(n % 1000 === 500 ? `needle ${n}` : `line ${n}`, { time: n }));

/** When the files have all, and the view has looked through what was there before it. */
async function settled(store: LogStore, view: LogView, end?: number): Promise<void> {
  await store.drain();
  while (view.reading || (end !== undefined && view.end < end))
    await new Promise((resolve) => setTimeout(resolve, 2));
}

async function texts(store: LogStore, filter: LogFilter, end?: number): Promise<readonly string[]> {
  await using view = store.view(filter);
  await settled(store, view, end);
  return (await view.lines(view.first, view.end)).map(({ text }) => text);
}

describe("a log store", () => {
  it("gives back every line as it came, from memory and from its file", async () => {
    const store = open();
    const lines = many(3000).map((each, n) => ({
      ...each,
      pod: n % 2 === 0 ? "monitor-agent-abc" : "",
      container: n % 3 === 0 ? "app" : "",
      ...(n % 5 === 0 ? { previous: true as const } : {}),
      text: `${each.text} 名前 🎉  two  spaces \u001b[31mred\u001b[0m`,
    }));
    for (const each of lines) store.append([each]);
    await using view = store.view({ resources: [agent] });
    const fromMemory = await view.lines(0, 3000);
    expect(fromMemory.map(({ index }) => index)).toEqual(lines.map((_, n) => n));
    await expect
      .poll(async () => (await logFiles()).reduce((sum, { size }) => sum + size, 0))
      .toBeGreaterThan(200_000);
    for (const [n, found] of (await view.lines(0, 3000)).entries())
      expect(found).toEqual({ ...lines[n], order: n + 1, index: n });
    expect(store.counts(agent)).toEqual({ kept: 3000, dropped: 0 });
  });

  it("drops a resource's oldest lines and counts them; the others' stay", async () => {
    const store = open({ bytes: 100_000, segmentBytes: 20_000 });
    store.append([line("the only one", { workload: other })]);
    await using view = store.view({ resources: [agent] });
    for (let n = 0; n < 100; n += 1) {
      store.append(Array.from({ length: 100 }, (_, k) => line(`line ${n * 100 + k} ${"x".repeat(60)}`)));
      await new Promise(setImmediate);
    }
    await store.drain();
    await expect.poll(() => store.counts(agent).dropped).toBeGreaterThan(8000);
    await expect
      .poll(async () => (await logFiles()).reduce((sum, { size }) => sum + size, 0))
      .toBeLessThan(140_000);
    const { kept, dropped } = store.counts(agent);
    expect(kept + dropped).toBe(10_000);
    expect(view.first).toBe(dropped);
    const [oldest] = await view.lines(0, dropped + 1);
    expect(oldest).toMatchObject({ index: dropped, text: expect.stringMatching(`line ${dropped} `) });
    expect(await texts(store, { resources: [other] })).toEqual(["the only one"]);
    // The session's first line is still there, and then comes what the chatty one kept.
    await using all = store.view({});
    expect(all.first).toBe(0);
    const next = await all.find({ kind: "text", text: "" }, 1, "forth");
    expect(next).toBe(dropped + 1);
  });

  it("keeps all resources together within a bound: the largest gives", async () => {
    const store = open({ totalBytes: 100_000, segmentBytes: 20_000 });
    store.append(Array.from({ length: 100 }, (_, n) => line(`small ${n}`, { workload: other })));
    for (let n = 0; n < 50; n += 1) {
      store.append(Array.from({ length: 100 }, () => line("x".repeat(80))));
      await new Promise(setImmediate);
    }
    await expect.poll(() => store.counts(agent).dropped).toBeGreaterThan(1000);
    expect(store.counts(other)).toEqual({ kept: 100, dropped: 0 });
  });

  it("shows all resources in order of arrival", async () => {
    const store = open();
    for (let n = 0; n < 2000; n += 1) store.append([line(`${n}`, { workload: n % 3 === 0 ? other : agent })]);
    await using view = store.view({});
    expect((await view.lines(990, 1010)).map(({ text }) => text)).toEqual(
      Array.from({ length: 20 }, (_, n) => `${990 + n}`),
    );
  });

  it("filters by text, expression, container, level and time, old lines and new ones", async () => {
    const store = open();
    store.append(many(20_000));
    expect(await texts(store, { pattern: { kind: "text", text: "needle" } }, 20)).toHaveLength(20);
    expect(await texts(store, { pattern: { kind: "text", text: "NEEDLE" } })).toHaveLength(0);
    expect(
      await texts(store, { pattern: { kind: "regex", source: "^needle 1\\d500$", flags: "" } }, 10),
    ).toHaveLength(10);
    expect(await texts(store, { since: 19_990 }, 10)).toHaveLength(10);
    await using view = store.view({ resources: [agent, other], level: "warn", container: "app" });
    await settled(store, view);
    expect(view.end).toBe(0);
    store.append([
      line("ERROR: no", { container: "app" }),
      line("fine", { container: "app" }),
      line("ERROR: not here", { container: "sidecar" }),
      line("[warn] yes", { container: "app", workload: other }),
    ]);
    await settled(store, view, 2);
    expect((await view.lines(0, 9)).map(({ text, index }) => [index, text])).toEqual([
      [0, "ERROR: no"],
      [1, "[warn] yes"],
    ]);
  });

  it("finds lines in both directions, and ends when it is told to", async () => {
    const store = open();
    store.append(many(10_000));
    await using view = store.view({ resources: [agent] });
    const needle = { kind: "text", text: "needle" } as const;
    expect(await view.find(needle, 0, "forth")).toBe(500);
    expect(await view.find(needle, 501, "forth")).toBe(1500);
    expect(await view.find(needle, 500, "back")).toBe(500);
    expect(await view.find(needle, 9_000, "back")).toBe(8500);
    expect(await view.find(needle, 499, "back")).toBeUndefined();
    expect(await view.find({ kind: "text", text: "nothing" }, 0, "forth")).toBeUndefined();
    const stop = new AbortController();
    const search = view.find({ kind: "text", text: "nothing" }, 0, "forth", { signal: stop.signal });
    stop.abort();
    await expect(search).rejects.toThrow(/abort/i);
  });

  it("breaks off an expression that takes for ever, and says so", async () => {
    const store = open();
    store.append([line(`${"a".repeat(50)}b`)]);
    const slow = { kind: "regex", source: "^(a+)+$", flags: "" } as const;
    await using view = store.view({ pattern: slow });
    await settled(store, view);
    expect(view.problem).toMatch(/takes too long/);
    await using all = store.view({});
    await expect(all.find(slow, 0, "forth")).rejects.toThrow(/takes too long/);
    expect(() => store.view({ pattern: { kind: "regex", source: "(", flags: "" } })).toThrow(
      /no regular expression/,
    );
  });

  it("tells of growth, and always of the last line", async () => {
    const store = open();
    await using view = store.view({ pattern: { kind: "text", text: "line" } });
    const ends: number[] = [];
    view.subscribe(() => ends.push(view.end));
    for (let n = 0; n < 1000; n += 1) store.append([line(`line ${n}`)]);
    await expect.poll(() => ends.at(-1)).toBe(1000);
    expect(ends.length).toBeLessThan(20);
  });

  it("cuts a line that no screen could show", async () => {
    const store = open();
    store.append([line("x".repeat(20_000))]);
    expect((await texts(store, {}))[0]).toMatch(/x… \(3616 more characters\)$/);
  });

  it("counts what a full disk did not take, and goes on", async () => {
    await writeFile(join(parent, "session"), "not a directory");
    const store = open();
    store.append(many(100));
    await expect.poll(() => store.counts(agent)).toEqual({ kept: 0, dropped: 100 });
    await rm(join(parent, "session"));
    await mkdir(join(parent, "session"));
    store.append([line("after")]);
    expect(await texts(store, { resources: [agent] })).toEqual(["after"]);
  });

  it("removes its files when it ends, and the next session those of one that crashed", async () => {
    const store = open();
    store.append(many(100));
    await expect.poll(logFiles).not.toEqual([]);
    await store[Symbol.asyncDispose]();
    expect(await readdir(parent)).toEqual([]);
    const { pid: dead } = spawnSync(process.execPath, ["-e", ""]);
    const left = newLogDirectory(parent, { pid: dead });
    const living = newLogDirectory(parent, { pid: process.ppid });
    const own = newLogDirectory(parent);
    for (const each of [left, living, own]) await mkdir(each);
    await removeEndedLogs(parent, own);
    expect((await readdir(parent)).map((name) => join(parent, name)).sort()).toEqual([living, own].sort());
  });

  it("keeps what a task prints under the task's id", async () => {
    const events = scriptedStore(sampleState());
    const store = open();
    const remove = recordTaskOutput(events, store);
    events.tell(sampleEvents["task.output"]);
    events.tell(sampleEvents["task.note"]);
    remove();
    events.tell(sampleEvents["task.output"]);
    expect(await texts(store, { resources: ["build:monitor-agent"] })).toEqual(["added 3 packages"]);
  });
});

async function logFiles(): Promise<readonly { readonly size: number }[]> {
  const directory = join(parent, "session");
  const names = await readdir(directory).catch(() => []);
  return Promise.all(names.map((name) => stat(join(directory, name)).catch(() => ({ size: 0 }))));
}
