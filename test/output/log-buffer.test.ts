import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogBuffer } from "../../src/output/log-buffer.js";
import { recordTaskOutput } from "../../src/output/record-task-output.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import { sampleEvents } from "./sample-events.js";
import { sampleLogLine, sampleState } from "../fakes/state.js";

const agent = "Deployment/monitor-dev/monitor-agent";
const test = "Deployment/monitor-dev/monitor-test";
const texts = (buffer: LogBuffer, workload: string | undefined, count: number): string[] =>
  buffer.tail(workload, count).map((line) => line.text);

describe("a log buffer", () => {
  it("keeps the newest lines of a workload and counts what it drops", () => {
    const buffer = new LogBuffer({ lines: 3 });
    for (let n = 0; n < 10_000; n += 1) buffer.append([sampleLogLine("monitor-agent", `line ${n}`)]);
    expect(texts(buffer, agent, 100)).toEqual(["line 9997", "line 9998", "line 9999"]);
    expect(buffer.counts(agent)).toEqual({ kept: 3, dropped: 9997 });
  });

  it("is bounded by bytes too, and always keeps the newest line", () => {
    const buffer = new LogBuffer({ bytes: 100 });
    for (let n = 0; n < 9; n += 1) buffer.append([sampleLogLine("monitor-agent", `${n}`.repeat(30))]);
    expect(texts(buffer, agent, 100).map((text) => text[0])).toEqual(["6", "7", "8"]);
    buffer.append([sampleLogLine("monitor-agent", "x".repeat(500))]);
    expect(buffer.counts(agent).kept).toBe(1);
  });

  it("cuts a line that no screen could show", () => {
    const buffer = new LogBuffer();
    buffer.append([sampleLogLine("monitor-agent", "x".repeat(20_000))]);
    expect(texts(buffer, agent, 1)[0]).toMatch(/x… \(3616 more characters\)$/);
  });

  it("never drops one workload's lines for another's", () => {
    const buffer = new LogBuffer({ lines: 100 });
    buffer.append([sampleLogLine("monitor-test", "the only one")]);
    for (let n = 0; n < 1000; n += 1) buffer.append([sampleLogLine("monitor-agent", `${n}`)]);
    expect(texts(buffer, test, 10)).toEqual(["the only one"]);
  });

  it("merges all workloads in order of arrival", () => {
    const buffer = new LogBuffer();
    buffer.append([sampleLogLine("monitor-agent", "1"), sampleLogLine("monitor-test", "2")]);
    buffer.append([sampleLogLine("monitor-agent", "3"), sampleLogLine("monitor-agent", "4")]);
    expect(texts(buffer, undefined, 3)).toEqual(["2", "3", "4"]);
    expect(texts(buffer, undefined, 0)).toEqual([]);
  });

  describe("told at a pace", () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it("tells listeners at most 20 times a second, and of the last line", () => {
      const buffer = new LogBuffer();
      const versions: number[] = [];
      const remove = buffer.subscribe(() => versions.push(buffer.getVersion()));
      for (let n = 0; n < 1000; n += 1) {
        buffer.append([sampleLogLine("monitor-agent", `${n}`)]);
        vi.advanceTimersByTime(1);
      }
      vi.runAllTimers();
      expect(versions.length).toBeLessThanOrEqual(21);
      expect(versions.at(-1)).toBe(1000);
      remove();
      buffer.append([sampleLogLine("monitor-agent", "after")]);
      vi.runAllTimers();
      expect(versions.at(-1)).toBe(1000);
    });
  });
});

it("what a task prints is kept under the task's id", () => {
  const store = scriptedStore(sampleState());
  const buffer = new LogBuffer();
  const remove = recordTaskOutput(store, buffer);
  store.tell(sampleEvents["task.output"]);
  store.tell(sampleEvents["task.note"]);
  remove();
  store.tell(sampleEvents["task.output"]);
  expect(texts(buffer, "build:monitor-agent", 10)).toEqual(["added 3 packages"]);
});
