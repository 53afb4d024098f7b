import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Health } from "../../src/engine/target.js";
import { openKube } from "../../src/cluster/kube.js";
import { watchClusterHealth, watchEngineHealth } from "../../src/cluster/monitor.js";
import { DevloopError } from "../../src/lib/errors.js";
import { fakeEngine } from "./load/fake-nodes.js";

/** An API server as far as the watch sees it: it can be unready, silent, replaced, and gone. */
class FakeApi {
  uid = "uid-1";
  readyz: "ok" | "unready" | "silent" | "forbidden" = "ok";
  identityQuestions = 0;
  port = 0;
  #server: Server | undefined;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      if (this.readyz === "silent") return;
      if (request.url === "/readyz") {
        response.statusCode = { ok: 200, unready: 500, forbidden: 403 }[this.readyz];
        response.end(this.readyz === "unready" ? "[-]etcd failed" : "ok");
      } else {
        this.identityQuestions += 1;
        response.end(JSON.stringify({ metadata: { name: "kube-system", uid: this.uid } }));
      }
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }
  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

let api: FakeApi;
let session: AbortController;
beforeEach(async () => {
  api = new FakeApi();
  session = new AbortController();
  await api.start();
});
afterEach(async () => {
  session.abort();
  await api.stop();
});

function watch(timeoutMs = 30_000): { seen: string[]; probe: () => void; ended: Promise<void> } {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "c", server: `http://127.0.0.1:${api.port}`, skipTLSVerify: true }],
    users: [{ name: "c" }],
    contexts: [{ name: "c", cluster: "c", user: "c" }],
    currentContext: "c",
  });
  const seen: string[] = [];
  const onChange = (health: Health): void => {
    seen.push(health.status === "up" ? "up" : health.failure.code);
  };
  const { signal } = session;
  return {
    seen,
    ...watchClusterHealth(openKube(config), "uid-1", { intervalMs: 20, timeoutMs, signal, onChange }),
  };
}

async function until(seen: readonly string[], expected: readonly string[]): Promise<void> {
  await vi.waitFor(
    () => {
      expect(seen).toEqual(expected);
    },
    { timeout: 30_000, interval: 10 },
  );
}

describe("watching the cluster", () => {
  it("tells of turns only: up, down when it is gone, up again when it is back", async () => {
    const { seen } = watch();
    await until(seen, ["up"]);
    const asked = api.identityQuestions;
    await api.stop();
    await until(seen, ["up", "CLUSTER_UNREACHABLE"]);
    await api.start();
    await until(seen, ["up", "CLUSTER_UNREACHABLE", "up"]);
    expect(api.identityQuestions).toBeGreaterThan(asked);
  });

  it("does not take another cluster at the same address for this one", async () => {
    const { seen } = watch();
    await until(seen, ["up"]);
    api.uid = "uid-2";
    await until(seen, ["up", "CLUSTER_CHANGED"]);
    api.uid = "uid-1";
    await until(seen, ["up", "CLUSTER_CHANGED", "up"]);
  });

  it("counts a server that is not ready as down, and one that refuses the user as up", async () => {
    api.readyz = "unready";
    const { seen } = watch();
    await until(seen, ["CLUSTER_UNREACHABLE"]);
    api.readyz = "forbidden";
    await until(seen, ["CLUSTER_UNREACHABLE", "up"]);
  });

  it("counts a server that hangs as down", async () => {
    // Long enough that a busy machine's answer still comes in time.
    const { seen } = watch(1500);
    await until(seen, ["up"]);
    api.readyz = "silent";
    await until(seen, ["up", "CLUSTER_UNREACHABLE"]);
  });

  it("ends with its signal", async () => {
    const { seen, ended } = watch();
    await until(seen, ["up"]);
    session.abort();
    await ended;
    await api.stop();
    expect(seen).toEqual(["up"]);
  });
});

describe("watching the engine", () => {
  it("asks at once when told to, instead of at the next turn", async () => {
    let answers = true;
    const ping = (): Promise<{ version: string; apiVersion: string; platform: string }> =>
      answers
        ? Promise.resolve({ version: "27", apiVersion: "1.46", platform: "linux/amd64" })
        : Promise.reject(new DevloopError("ENGINE_UNREACHABLE", "gone"));
    const seen: string[] = [];
    const { probe } = watchEngineHealth(
      fakeEngine(() => [], { ping }),
      {
        intervalMs: 3_600_000,
        signal: session.signal,
        onChange: (health) => seen.push(health.status),
      },
    );
    await until(seen, ["up"]);
    answers = false;
    probe();
    await until(seen, ["up", "down"]);
  });
});
