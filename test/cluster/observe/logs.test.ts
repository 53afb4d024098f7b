import { describe, expect, it } from "vitest";
import { kubePods } from "../../../src/cluster/pod-access.js";
import { streamLogs } from "../../../src/cluster/observe/logs.js";
import type { ContainerView, PodView } from "../../../src/cluster/observe/pod-view.js";
import type { LogLine } from "../../../src/engine/state.js";
import { fakeApi } from "./fake-api.js";
import { eventually } from "../../eventually.js";

const start = Date.UTC(2026, 0, 1, 10);
/** A line each 100 ms: ten share a second, as a resumed stream sees them. */
function stored(number: number): string {
  return `${new Date(start + number * 100).toISOString()} line ${number}\n`;
}
function pod(container: Partial<ContainerView>): PodView {
  return {
    workload: "Deployment/dev/web",
    namespace: "dev",
    name: "web-1",
    uid: "1",
    createdAt: start,
    ready: true,
    terminating: false,
    containers: [{ name: "main", init: false, image: "web:1", restarts: 0, ...container }],
  };
}
const running = { id: "a", startedAt: start, ended: false };

describe("streamLogs", () => {
  it("a connection lost again and again, in the middle of lines: every line once, in order", async () => {
    const total = 60;
    let requests = 0;
    await using api = await fakeApi((url, response) => {
      if (url.pathname === "/version") {
        response.setHeader("date", new Date(start - 1000).toUTCString());
        response.end("{}");
        return;
      }
      requests += 1;
      const since = Date.parse(url.searchParams.get("sinceTime") ?? "1970-01-01T00:00:00Z");
      const all = Array.from({ length: total }, (_, number) => number).filter(
        (number) => start + number * 100 >= since,
      );
      const bytes = Buffer.from(all.map(stored).join(""));
      // Each time some 20 lines further, and then the connection is gone, half a line in.
      const end = requests * 20 * stored(0).length - 7;
      const from = (total - all.length) * stored(0).length;
      if (requests > 5) response.write(bytes);
      else response.write(bytes.subarray(0, Math.max(1, end - from)), () => response.destroy());
    });
    const lines: LogLine[] = [];
    const stop = new AbortController();
    await using logs = streamLogs(kubePods(api.kube), {
      onLines: (batch) => void lines.push(...batch),
      signal: stop.signal,
    });
    logs.setPods([pod({ run: running })]);
    await eventually(() => {
      expect(lines.at(-1)?.text).toBe(`line ${total - 1}`);
    });
    expect(lines.map((line) => line.text)).toEqual(
      Array.from({ length: total }, (_, number) => `line ${number}`),
    );
    expect(requests).toBeGreaterThan(2);
    expect(logs.lastLines(pod({ run: running }), "main", false)).toHaveLength(20);
  });

  it("a run that was missed altogether shows its last lines, marked as previous", async () => {
    const queries: string[] = [];
    await using api = await fakeApi((url, response) => {
      if (url.pathname === "/version") {
        response.setHeader("date", new Date(start - 1000).toUTCString());
        response.end("{}");
        return;
      }
      const previous = url.searchParams.get("previous") === "true";
      queries.push(`${previous ? "previous" : "now"} tail=${url.searchParams.get("tailLines") ?? ""}`);
      if (previous) response.end(stored(1));
      else response.write(stored(50));
    });
    const lines: LogLine[] = [];
    await using logs = streamLogs(kubePods(api.kube), {
      onLines: (batch) => void lines.push(...batch),
      signal: new AbortController().signal,
    });
    logs.setPods([pod({ run: { ...running, id: "b" }, previous: { ...running, ended: true }, restarts: 1 })]);
    await eventually(() => {
      expect(lines.map(({ text, previous }) => [text, previous])).toEqual([
        ["line 1", true],
        ["line 50", undefined],
      ]);
    });
    expect(queries).toEqual(["previous tail=50", "now tail="]);
  });

  it("a container older than the session starts with its last lines", async () => {
    let query = "";
    await using api = await fakeApi((url, response) => {
      if (url.pathname === "/version") {
        response.setHeader("date", new Date(start + 3_600_000).toUTCString());
        response.end("{}");
      } else {
        query = url.search;
        response.write(stored(3));
      }
    });
    const lines: LogLine[] = [];
    await using logs = streamLogs(kubePods(api.kube), {
      onLines: (batch) => void lines.push(...batch),
      signal: new AbortController().signal,
    });
    logs.setPods([pod({ run: running, previous: { ...running, id: "z", ended: true } })]);
    await eventually(() => {
      expect(lines).toHaveLength(1);
    });
    expect(query).toContain("tailLines=20");
    expect(query).not.toContain("previous");
  });
});
