import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { kubePods } from "../../../src/cluster/pod-access.js";
import { streamLogs } from "../../../src/cluster/observe/logs.js";
import { observeWorkloads } from "../../../src/cluster/observe/workloads.js";
import type { LogLine } from "../../../src/engine/state.js";
import { deployment, shell, testCluster, testNamespace, type TestNamespace } from "./test-cluster.js";

const kube = await testCluster();

describe.skipIf(!kube && !process.env["CI"])("logs on a real cluster", () => {
  let space: TestNamespace;
  beforeAll(async () => {
    space = await testNamespace(kube!, "logs");
  });
  afterAll(async () => {
    await space[Symbol.asyncDispose]();
  });

  /** Follows one deployment's logs with everything that a session has. */
  function session(onLines: (lines: readonly LogLine[]) => void | Promise<void>, namespace: string) {
    const stop = new AbortController();
    const problems: string[] = [];
    const logs = streamLogs(kubePods(kube!), {
      onLines,
      onProblem: (message) => problems.push(message),
      signal: stop.signal,
    });
    const observer = observeWorkloads(kubePods(kube!), {
      onHealth: () => undefined,
      onPods: (pods) => {
        logs.setPods(pods);
      },
      lastLines: () => [],
      signal: stop.signal,
    });
    observer.setWorkloads([], [namespace]);
    return {
      observer,
      problems,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await observer[Symbol.asyncDispose]();
        await logs[Symbol.asyncDispose]();
      },
    };
  }

  it("a container that is restarted over and over: every line once, in order", async () => {
    // The run's number is kept in a volume: each run prints 200 lines, waits a little, and crashes.
    const script =
      "n=$(cat /data/n 2>/dev/null || echo 0); echo $((n+1)) > /data/n; i=0; " +
      "while [ $i -lt 200 ]; do echo $n:$i; i=$((i+1)); done; sleep $((n % 2)); exit 1";
    const template = shell(script, { volumeMounts: [{ name: "data", mountPath: "/data" }] }) as {
      spec: Record<string, unknown>;
    };
    template.spec["volumes"] = [{ name: "data", emptyDir: {} }];
    const lines: LogLine[] = [];
    const seen = (): string[] =>
      lines.map((line) => line.text).filter((text) => Number(text.split(":")[0]) < 3);
    await using running = session((batch) => void lines.push(...batch), space.namespace);
    running.observer.setWorkloads([await space.create(deployment("counter", template))]);
    await vi.waitFor(
      () => {
        expect(lines.some((line) => line.text === "2:199")).toBe(true);
        expect(seen().length).toBeGreaterThanOrEqual(600);
      },
      { timeout: 240_000, interval: 100 },
    );
    const wanted = [0, 1, 2].flatMap((run) => Array.from({ length: 200 }, (_, i) => `${run}:${i}`));
    expect(seen().length).toBe(wanted.length);
    expect(seen()).toEqual(wanted);
    expect(running.problems).toEqual([]);
  });

  it("100,000 lines: all of them, in order, with a slow reader and flat memory", async () => {
    const script = "i=0; while [ $i -lt 100000 ]; do echo line $i; i=$((i+1)); done; sleep 1000";
    let next = 0;
    let wrong = 0;
    let startedAt = 0;
    let most = 0;
    const before = process.memoryUsage().heapUsed;
    await using running = session(async (batch) => {
      startedAt ||= performance.now();
      for (const line of batch) {
        if (line.text !== `line ${next}`) wrong += 1;
        next += 1;
      }
      most = Math.max(most, process.memoryUsage().heapUsed);
      // A reader that is slower than the container.
      await new Promise((resolve) => setImmediate(resolve));
    }, space.namespace);
    running.observer.setWorkloads([await space.create(deployment("flood", shell(script)))]);
    await vi.waitFor(
      () => {
        expect(next).toBe(100_000);
      },
      { timeout: 240_000, interval: 50 },
    );
    const seconds = (performance.now() - startedAt) / 1000;
    process.stdout.write(
      `100,000 lines in ${seconds.toFixed(1)} s, heap +${((most - before) / 1e6).toFixed(0)} MB\n`,
    );
    expect(wrong).toBe(0);
    expect(most - before).toBeLessThan(150e6);
  });

  it("long lines are whole, without the stamps that old kubelets put into them", async () => {
    const script =
      "head -c 40000 /dev/zero | tr '\\0' x; echo; printf '\\033[2Jgreen \\033[32mok\\033[0m\\r\\n'; sleep 1000";
    const lines: LogLine[] = [];
    await using running = session((batch) => void lines.push(...batch), space.namespace);
    running.observer.setWorkloads([await space.create(deployment("long", shell(script)))]);
    await vi.waitFor(
      () => {
        expect(lines.length).toBeGreaterThanOrEqual(2);
      },
      { timeout: 240_000, interval: 50 },
    );
    expect(lines[0]!.text.length).toBe(40_000);
    expect(lines[0]!.text).toMatch(/^x+$/);
    expect(lines[1]!.text).toBe("green \u001b[32mok\u001b[0m");
  });
});
