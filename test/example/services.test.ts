import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";

const services = new URL("../../examples/monitor/services/", import.meta.url);
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

describe("monitor-test", () => {
  it("serves plausible metrics that move", async () => {
    const service = await start("monitor-test", { STEP_MS: "5" });
    const first = await service.get("/metrics");
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ service: "monitor-test", instance: expect.any(String) });
    expect(Date.parse(first.body["timestamp"] as string)).toBeGreaterThan(Date.now() - 60_000);
    for (const field of ["cpuPercent", "memoryMiB", "requestsPerSecond", "latencyMs"]) {
      expect(first.body[field], field).toBeGreaterThan(0);
    }
    expect(first.body["cpuPercent"]).toBeLessThanOrEqual(100);
    await until(async () => {
      const { body } = await service.get("/metrics");
      return body["cpuPercent"] !== first.body["cpuPercent"];
    });
  });

  it("takes a burst only with its token, and not at all without one", async () => {
    const guarded = await start("monitor-test", { MONITOR_TOKEN: "t0ken" });
    expect(await guarded.post("/burst", "wrong")).toBe(401);
    expect(await guarded.post("/burst", "t0ken")).toBe(202);
    const open = await start("monitor-test", {});
    expect(await open.post("/burst", "")).toBe(503);
  });

  it("answers 404 for what it does not serve", async () => {
    const service = await start("monitor-test", {});
    expect((await service.get("/../package.json")).status).toBe(404);
    expect((await service.get("/nothing")).status).toBe(404);
  });
});

describe("monitor-agent", () => {
  it("is alive but not ready before its upstream has answered, and ready soon after that", async () => {
    const port = await freePort();
    const agent = await start("monitor-agent", { SERVICE_NAME: "127.0.0.1", SERVICE_PORT: String(port) });
    expect((await agent.get("/health")).status).toBe(200);
    expect((await agent.get("/ready")).status).toBe(503);

    const upstream = await start("monitor-test", { PORT: String(port) });
    await until(async () => (await agent.get("/ready")).status === 200);
    const { body } = await agent.get("/metrics");
    expect(body).toMatchObject({
      service: "monitor-agent",
      upstream: { reached: true, up: true },
      latest: { service: "monitor-test" },
      history: { samples: expect.any(Number), cpuPercent: { min: expect.any(Number) } },
    });

    // An upstream that goes away later is shown, not punished: this pod could do nothing about it.
    upstream.child.kill("SIGKILL");
    await until(async () => (await agent.get("/metrics")).body["upstream"].up === false);
    expect((await agent.get("/ready")).status).toBe(200);
    expect((await agent.get("/health")).status).toBe(200);
  });

  it("keeps no more samples than it was told to", async () => {
    const upstream = await start("monitor-test", {});
    const agent = await start("monitor-agent", {
      SERVICE_NAME: "127.0.0.1",
      SERVICE_PORT: String(upstream.port),
      POLL_MS: "5",
      HISTORY_SIZE: "3",
    });
    await until(async () => (await agent.get("/metrics")).body["upstream"].polls > 6);
    expect((await agent.get("/history")).body["samples"]).toHaveLength(3);
  });

  it("serves a page that needs nothing from elsewhere", async () => {
    const agent = await start("monitor-agent", {});
    const base = `http://127.0.0.1:${agent.port}`;
    const page = await (await fetch(base)).text();
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(files).toContain("chart.js");
    for (const file of files) {
      expect(file).not.toMatch(/^(?:https?:)?\/\//);
      if (file.startsWith("data:")) continue;
      const answer = await fetch(new URL(file, base));
      expect(answer.status, file).toBe(200);
      expect(await answer.text()).not.toMatch(/@import|url\(/);
    }
  });
});

describe.each(["monitor-test", "monitor-agent"])("%s, told to stop", (name) => {
  it("serves through its drain, says no to /ready, and ends whoever hangs on", async () => {
    const service = await start(name, { DRAIN_MS: "4000" });
    const ended = once(service.child, "close");
    // A client that never finishes its request: left to itself, the server would wait a minute for it.
    const hanging = connect(service.port, "127.0.0.1");
    hanging.on("error", () => undefined).write("GET /metrics HTTP/1.1\r\n");
    await once(hanging, "connect");
    service.child.kill("SIGTERM");
    await until(async () => (await service.get("/ready")).body["stopping"] === true);
    const answer = await fetch(`http://127.0.0.1:${service.port}/health`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("connection")).toBe("close");
    expect(await ended).toEqual([0, null]);
    const messages = service.lines.map((line) => (JSON.parse(line) as { message: string }).message);
    expect(messages).toContain("stopping");
    expect(messages.at(-1)).toBe("stopped");
  });
});

it("both services serve and log by the same code: they share no build context, so each has a copy", async () => {
  for (const file of ["serve.js", "log.js"]) {
    const [one, other] = await Promise.all(
      ["monitor-test", "monitor-agent"].map((name) =>
        readFile(new URL(`${name}/src/${file}`, services), "utf8"),
      ),
    );
    expect(one, file).toBe(other);
  }
});

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a service answers is what these tests look into
  readonly body: any;
}

/** Starts a service on a free port and waits for the line that says it listens. */
async function start(name: string, env: Record<string, string>) {
  const main = new URL(`${name}/src/main.js`, services).pathname;
  const child = spawn(process.execPath, [main], {
    env: { PORT: "0", DRAIN_MS: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  const lines: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const { message, port } = JSON.parse(line) as { message: string; port: number };
      if (message === "listening") resolve(port);
    });
    child.on("exit", () => {
      reject(new Error(`${name} ended before it listened: ${lines.join("\n")}`));
    });
  });
  const base = `http://127.0.0.1:${port}`;
  return {
    child,
    port,
    lines,
    async get(path: string): Promise<Answer> {
      const response = await fetch(`${base}${path}`);
      return { status: response.status, body: await response.json() };
    },
    async post(path: string, token: string): Promise<number> {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${base}${path}`, { method: "POST", headers })).status;
    },
  };
}

/** Waits for a condition; the test's own time limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
