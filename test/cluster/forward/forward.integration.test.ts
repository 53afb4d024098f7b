import { createConnection } from "node:net";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { kubePods } from "../../../src/cluster/pod-access.js";
import { startForward } from "../../../src/cluster/forward/forward.js";
import { targetPort } from "../../../src/cluster/forward/target-port.js";
import { observeWorkloads, type WorkloadObserver } from "../../../src/cluster/observe/workloads.js";
import type { ForwardSpec } from "../../../src/engine/project.js";
import type { ForwardStatus, WorkloadHealth } from "../../../src/engine/state.js";
import type { AppliedWorkload } from "../../../src/engine/task.js";
import {
  deployment,
  shell,
  testCluster,
  testNamespace,
  type TestNamespace,
} from "../observe/test-cluster.js";
import { eventually } from "../../eventually.js";

const serverImage = "node:20-bookworm-slim";
const kube = await testCluster(serverImage);

/** Answers /version, echoes on port 9000, and exits at once when told to stop: a hard case for a forward. */
const server = `
const net = require("node:net"), http = require("node:http");
http.createServer((q, s) => {
  if (q.url === "/big") { s.end(Buffer.alloc(20e6, "b")); return; }
  let n = 0; q.on("data", (d) => n += d.length); q.on("end", () => s.end(process.env.VERSION + ":" + n));
}).listen(8080);
net.createServer({ allowHalfOpen: true }, (s) => {
  let n = 0; s.on("data", (d) => { n += d.length; s.write(d); }); s.on("end", () => s.end("bye")); s.on("error", () => {});
}).listen(9000);
process.on("SIGTERM", () => process.exit(0));
`;

describe.skipIf(!kube && !process.env["CI"])("forwards on a real cluster", () => {
  const stop = new AbortController();
  const health = new Map<string, WorkloadHealth>();
  let space: TestNamespace;
  let observer: WorkloadObserver;
  let web: AppliedWorkload;

  const pod = (version: string): Record<string, unknown> =>
    shell("", {
      image: serverImage,
      command: ["node", "-e", server],
      env: [{ name: "VERSION", value: version }],
      ports: [
        { name: "http", containerPort: 8080 },
        { name: "echo", containerPort: 9000 },
      ],
      readinessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 1 },
    });

  beforeAll(async () => {
    space = await testNamespace(kube!, "forward");
    observer = observeWorkloads(kubePods(kube!), {
      onHealth: (id, next) => health.set(id, next),
      onPods: () => undefined,
      lastLines: () => [],
      signal: stop.signal,
    });
    web = await space.create(deployment("web", pod("v1")));
    await space.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: {
        selector: { app: "web" },
        ports: [
          { name: "web", port: 80, targetPort: "http" },
          { name: "echo", port: 9000 },
        ],
      },
    });
    observer.setWorkloads([web]);
    await vi.waitFor(
      () => {
        expect(health.get(web.id)?.status).toBe("ready");
      },
      { timeout: 200_000, interval: 50 },
    );
  });
  afterAll(async () => {
    stop.abort();
    await observer[Symbol.asyncDispose]();
    await space[Symbol.asyncDispose]();
  });

  async function open(fields: Partial<ForwardSpec> = {}) {
    const spec: ForwardSpec = {
      id: "service/web:80",
      kind: "service",
      name: "web",
      host: "127.0.0.1",
      local: 0,
      remote: 80,
      strict: false,
      ...fields,
    };
    const target = { kind: spec.kind, namespace: space.namespace, name: spec.name };
    let state: ForwardStatus = { status: "starting" };
    let connections = 0;
    let serving = false;
    const forward = startForward(kubePods(kube!), spec, {
      pods: () => observer.readyPods(target),
      podsChanged: (listener) => observer.podsChanged(listener),
      processRestarted: () => () => undefined,
      resolvePort: (entry) => targetPort(spec, entry, observer.service(space.namespace, spec.name)),
      onChange: (next, ready, count) => {
        state = next;
        serving = ready;
        connections = count;
      },
      signal: stop.signal,
    });
    const port = await eventually(() => {
      if (state.status !== "listening") throw new Error(JSON.stringify(state));
      return state.port;
    });
    return {
      port,
      connections: () => connections,
      serving: () => serving,
      [Symbol.asyncDispose]: () => forward[Symbol.asyncDispose](),
    };
  }

  function fetchText(port: number, path = "/"): Promise<string> {
    return new Promise((resolve, reject) => {
      get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (data: string) => (text += data));
        response.on("end", () => {
          resolve(text);
        });
        response.on("error", reject);
      }).on("error", reject);
    });
  }

  it("two rollouts under a client that connects every 20 ms: no connection is refused or reset", async () => {
    await using forward = await open();
    const failures: string[] = [];
    const answers = new Map<string, number>();
    const times: number[] = [];
    const pending = new Set<Promise<void>>();
    const client = setInterval(() => {
      const begun = performance.now();
      const one = fetchText(forward.port).then(
        (text) => {
          times.push(performance.now() - begun);
          answers.set(text, (answers.get(text) ?? 0) + 1);
        },
        (error: unknown) => void failures.push(String(error)),
      );
      pending.add(one);
      void one.then(() => pending.delete(one));
    }, 20);
    for (const version of ["v2", "v3"]) {
      const patched = await space.patch("Deployment", "web", {
        spec: {
          template: { spec: { containers: [{ name: "main", env: [{ name: "VERSION", value: version }] }] } },
        },
      });
      await vi.waitFor(
        () => {
          const now = health.get(web.id);
          // The old pod is on its way out; how long the kubelet takes to remove it is not what is asked here.
          const staying = now?.pods.filter(({ terminating }) => !terminating).length;
          expect([now?.status, now?.generation, staying]).toEqual(["ready", patched.generation, 1]);
          expect(answers.get(`${version}:0`) ?? 0).toBeGreaterThan(20);
        },
        { timeout: 200_000, interval: 20 },
      );
    }
    clearInterval(client);
    await Promise.all(pending);
    times.sort((a, b) => a - b);
    const at = (part: number): string => times[Math.floor(times.length * part)]!.toFixed(0);
    process.stdout.write(
      `${times.length} answers ${JSON.stringify([...answers])}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(0.9999)} ms\n`,
    );
    expect(failures).toEqual([]);
    expect([...answers.keys()].sort()).toEqual(["v1:0", "v2:0", "v3:0"]);
  });

  it("1,000 connections leave nothing behind", async () => {
    await using forward = await open();
    const begun = performance.now();
    for (let round = 0; round < 50; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => fetchText(forward.port)));
    }
    process.stdout.write(`1,000 connections in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
    await eventually(() => {
      expect(forward.connections()).toBe(0);
      const sockets = process
        .getActiveResourcesInfo()
        .filter((name) => name === "TCPSocketWrap" || name === "TLSWrap");
      expect(sockets.length).toBeLessThan(30);
    });
  });

  it("large answers and a client's half-close arrive whole", async () => {
    await using forward = await open();
    expect((await fetchText(forward.port, "/big")).length).toBe(20e6);
    await using echo = await open({ id: "service/web:9000", remote: "echo" });
    const socket = createConnection({ port: echo.port, host: "127.0.0.1", allowHalfOpen: true });
    const sent = Buffer.alloc(5e6, "e");
    let received = 0;
    socket.on("data", (data) => (received += data.length));
    socket.end(sent);
    await eventually(() => {
      expect(received).toBeGreaterThanOrEqual(sent.length);
      expect(socket.destroyed || socket.readableEnded).toBe(true);
    });
  });

  it("without a ready pod a connection waits for one", async () => {
    await using forward = await open();
    await space.patch("Deployment", "web", { spec: { replicas: 0 } });
    await eventually(() => {
      expect(forward.serving()).toBe(false);
    });
    await space.patch("Deployment", "web", { spec: { replicas: 1 } });
    // None waits longer than ten seconds, and a pod may take more: the last that came before it counts.
    let last = Promise.resolve("none");
    while (!forward.serving()) {
      last = fetchText(forward.port).catch(String);
      await sleep(500);
    }
    expect(await last).toBe("v3:0");
  });
});
