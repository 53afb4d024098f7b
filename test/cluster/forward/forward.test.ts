import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { kubePods } from "../../../src/cluster/pod-access.js";
import { carryConnection } from "../../../src/cluster/forward/connection.js";
import { type ForwardOptions, startForward } from "../../../src/cluster/forward/forward.js";
import { targetPort } from "../../../src/cluster/forward/target-port.js";
import type { PodTarget } from "../../../src/cluster/observe/pod-view.js";
import type { ForwardSpec } from "../../../src/engine/project.js";
import type { ForwardStatus } from "../../../src/engine/state.js";
import type { Tunnel, TunnelOptions } from "../../../src/engine/target.js";
import { fakeApi } from "../observe/fake-api.js";
import { eventually } from "../../eventually.js";

const pod: PodTarget = { namespace: "dev", name: "web-1", uid: "1", namedPorts: { http: 8080 }, running: [] };
const spec: ForwardSpec = {
  id: "service/web:80",
  kind: "service",
  name: "web",
  host: "127.0.0.1",
  local: 0,
  remote: 80,
  strict: false,
};

describe("a pod whose process starts anew", () => {
  /** Tunnels to a server that answers each piece with a number of its own, and that nobody closes when it ends. */
  async function forward() {
    const restarted = new Set<() => void>();
    let opened = 0;
    let silent = false;
    let taken = 0;
    const states: ForwardStatus[] = [];
    const openTunnel = (
      _pod: unknown,
      _port: number,
      { onData, onClose, signal }: TunnelOptions,
    ): Promise<Tunnel> => {
      const name = `${++opened}`;
      signal.addEventListener("abort", () => {
        onClose(undefined);
      });
      return Promise.resolve({
        write(data) {
          taken += 1;
          if (!silent) onData(Buffer.from(`${name}:${data.toString()}`));
          return true;
        },
        pause: () => undefined,
        resume: () => undefined,
        close: () => {
          onClose(undefined);
        },
      });
    };
    const running = startForward({ openTunnel }, spec, {
      pods: () => [pod],
      podsChanged: () => () => undefined,
      processRestarted: (_pod, listener) => {
        restarted.add(listener);
        return () => restarted.delete(listener);
      },
      resolvePort: () => 8080,
      onChange: (state) => states.push(state),
      signal: new AbortController().signal,
    });
    await eventually(() => {
      expect(states.at(-1)).toMatchObject({ status: "listening" });
    });
    return {
      connect: () => createConnection((states.at(-1) as { port: number }).port, "127.0.0.1"),
      restart: () => {
        silent = false;
        for (const listener of restarted) listener();
      },
      die: () => {
        silent = true;
      },
      listeners: () => restarted.size,
      /** How many pieces have come through, answered or not. */
      taken: () => taken,
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    };
  }

  it("is no end for a connection that has had no answer: it is carried to the new one", async () => {
    await using run = await forward();
    using socket = disposable(run.connect());
    run.die();
    socket.socket.write("a");
    await eventually(() => {
      expect([run.listeners(), run.taken()]).toEqual([1, 1]);
    });
    run.restart();
    const [answer] = (await once(socket.socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("2:a");
  });

  it("ends one that has had answers, for the client to open another", async () => {
    await using run = await forward();
    using socket = disposable(run.connect());
    socket.socket.write("a");
    const [answer] = (await once(socket.socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("1:a");
    run.restart();
    await once(socket.socket.resume(), "end");
    await eventually(() => {
      expect(run.listeners()).toBe(0);
    });
  });
});

it("a connection that no pod takes is reset, not ended", async () => {
  let asked = 0;
  const server = createServer((socket) => {
    void carryConnection({ openTunnel: () => Promise.reject(new Error("connection refused")) }, socket, {
      pods: () => [pod],
      podsChanged: () => () => undefined,
      processRestarted: () => () => undefined,
      port: () => 8080,
      signal: new AbortController().signal,
      // Its patience is over after a few looks at the clock.
      now: () => (asked += 4_000),
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createConnection((server.address() as AddressInfo).port, "127.0.0.1");
  const told = await new Promise((resolve) => {
    client.once("error", resolve);
    client.resume().once("end", () => {
      resolve("an end");
    });
  });
  expect(told).toMatchObject({ code: "ECONNRESET" });
  server.close();
});

describe("the local port", () => {
  async function taken(): Promise<{ server: Server; port: number }> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { server, port: (server.address() as AddressInfo).port };
  }
  async function forward(fields: Partial<ForwardSpec>, options: Partial<ForwardOptions> = {}) {
    const api = await fakeApi((_url, response) => response.end());
    const states: ForwardStatus[] = [];
    const running = startForward(
      kubePods(api.kube),
      { ...spec, ...fields },
      {
        pods: () => [],
        podsChanged: () => () => undefined,
        processRestarted: () => () => undefined,
        resolvePort: () => 8080,
        onChange: (state) => states.push(state),
        signal: new AbortController().signal,
        retryMs: 20,
        ...options,
      },
    );
    return {
      states,
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        await api[Symbol.asyncDispose]();
      },
    };
  }

  it("that is taken gives way to the next free one, and says so", async () => {
    const { server, port } = await taken();
    await using run = await forward({ local: port });
    await eventually(() => {
      expect(run.states.at(-1)).toMatchObject({ status: "listening", moved: true });
    });
    expect((run.states.at(-1) as { port: number }).port).toBeGreaterThan(port);
    server.close();
  });

  it("that is taken and strict fails with the one who has it, and is bound once it is free", async () => {
    const { server, port } = await taken();
    await using run = await forward({ local: port, strict: true });
    await eventually(() => {
      expect(run.states.at(-1)).toMatchObject({ status: "failed", failure: { code: "PORT_TAKEN" } });
    });
    if (process.platform === "linux") {
      const [failed] = run.states.filter((state) => state.status === "failed");
      expect(failed?.failure.message).toContain(`(pid ${process.pid})`);
    }
    server.close();
    await eventually(() => {
      expect(run.states.at(-1)).toMatchObject({ status: "listening", port, moved: false });
    });
  });

  it("a target without that port is said as soon as a pod is there", async () => {
    const resolvePort = (target: PodTarget): number => targetPort(spec, target, undefined);
    await using run = await forward({}, { pods: () => [pod], resolvePort });
    await eventually(() => {
      expect(run.states.at(-1)).toMatchObject({ failure: { message: "service web has no port 80" } });
    });
  });
});

describe("targetPort", () => {
  const service = (ports: object[]) =>
    ({ apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { ports } }) as never;
  it.each([
    ["number to number", 80, { port: 80, targetPort: 3000 }, 3000],
    ["number to name", 80, { port: 80, targetPort: "http" }, 8080],
    ["name to name", "web", { name: "web", port: 80, targetPort: "http" }, 8080],
    ["without targetPort", 80, { port: 80 }, 80],
  ])("goes through the Service's port: %s", (_name, remote, port, wanted) => {
    expect(targetPort({ ...spec, remote }, pod, service([port]))).toBe(wanted);
  });
  it("names the ports there are when it finds none", () => {
    expect(() => targetPort(spec, pod, service([{ name: "web", port: 8888 }]))).toThrow(
      expect.objectContaining({ code: "FORWARD_FAILED", hint: "it has 8888 (web)" }),
    );
  });
  it("of a deployment is the container's, by number or name", () => {
    expect(targetPort({ ...spec, kind: "deployment", remote: 9000 }, pod, undefined)).toBe(9000);
    expect(targetPort({ ...spec, kind: "deployment", remote: "http" }, pod, undefined)).toBe(8080);
    expect(() => targetPort({ ...spec, kind: "deployment", remote: "grpc" }, pod, undefined)).toThrow(
      "port named grpc",
    );
  });
});

function disposable(socket: Socket): { readonly socket: Socket } & Disposable {
  return { socket, [Symbol.dispose]: () => void socket.destroy() };
}
