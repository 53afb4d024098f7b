import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, describe, expect, it } from "vitest";
import { openKube, type Kube } from "../../src/cluster/kube.js";
import { failure } from "./load/fake-nodes.js";

const { signal } = new AbortController();
const opened: (Kube | Server)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) {
    if ("listen" in one) one.close().closeAllConnections();
    else one[Symbol.dispose]();
  }
});

async function serve(listener: RequestListener): Promise<Kube> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const kube = openKube(configFor((server.address() as AddressInfo).port));
  opened.push(kube, server);
  return kube;
}

function configFor(port: number, user: object = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: "c", ...user }],
    contexts: [{ name: "c", cluster: "c", user: "c" }],
    currentContext: "c",
  });
  return config;
}

describe("requests to the API server", () => {
  it("turn a Status into an error with its reason and causes", async () => {
    const kube = await serve((_request, response) => {
      response.statusCode = 409;
      const details = { causes: [{ reason: "FieldManagerConflict", field: ".spec.replicas" }] };
      response.end(JSON.stringify({ kind: "Status", reason: "Conflict", message: "conflict", details }));
    });
    expect(await failure(() => kube.request("/api/v1/x", { signal }))).toMatchObject({
      status: 409,
      reason: "Conflict",
      message: "conflict",
      details: { causes: [{ field: ".spec.replicas" }] },
    });
  });

  it.each([
    ["GET", "again"],
    ["PATCH", "again"],
    ["POST", "CLUSTER_UNREACHABLE"],
  ] as const)("on a kept connection that the server has just closed: %s is %s", async (method, expected) => {
    const counts = new Map<IncomingMessage["socket"], number>();
    const kube = await serve((request, response) => {
      const count = (counts.get(request.socket) ?? 0) + 1;
      counts.set(request.socket, count);
      if (count > 1) request.socket.destroy();
      else response.end(JSON.stringify({ said: "again" }));
    });
    await kube.request("/first", { signal });
    const second = kube.request("/second", { method, body: {}, signal });
    if (expected === "again") expect(await second).toEqual({ said: "again" });
    else expect(await failure(() => second)).toMatchObject({ code: expected });
  });

  it("end a stream with its signal", async () => {
    const kube = await serve((_request, response) => {
      response.write("first");
    });
    const stop = new AbortController();
    const stream = await kube.stream("/log", { signal: stop.signal });
    stream.once("data", () => {
      stop.abort();
    });
    await expect(text(stream)).rejects.toThrow();
    expect(stream.destroyed).toBe(true);
  });

  it("name the context whose credentials cannot be had", async () => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "/nonexistent/helper" };
    const kube = openKube(configFor(1, { exec }));
    opened.push(kube);
    expect(await failure(() => kube.request("/api", { signal }))).toMatchObject({
      code: "CLUSTER_UNREACHABLE",
      message: expect.stringContaining("no credentials for context c are to be had"),
      hint: "does this work? kubectl --context c get namespaces",
    });
  });

  it("say that the cluster does not answer", async () => {
    const kube = openKube(configFor(1));
    opened.push(kube);
    expect(await failure(() => kube.request("/api", { signal }))).toMatchObject({
      code: "CLUSTER_UNREACHABLE",
      message: expect.stringContaining("cluster c does not answer at http://127.0.0.1:1"),
    });
  });
});
