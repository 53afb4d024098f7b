import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { openKube, type Kube, type KubeObject, type KubeRequest } from "../../../src/cluster/kube.js";
import { KubeStatusError } from "../../../src/cluster/kube.js";

/** The test cluster's API server, or undefined where none answers. */
export async function openTestCluster(): Promise<Kube | undefined> {
  const file =
    process.env["DEVLOOP_TEST_KUBECONFIG"] ??
    path.join(homedir(), ".cache/devloop-test-cluster/kind-devloop-test.kubeconfig");
  if (!existsSync(file)) return undefined;
  const config = new KubeConfig();
  config.loadFromFile(file);
  const kube = openKube(config);
  try {
    await kube.request("/version", { signal: AbortSignal.timeout(30_000) });
    return kube;
  } catch {
    kube[Symbol.dispose]();
    return undefined;
  }
}

/** A name that no other run uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString("hex")}`;
}

/** A Kube that keeps a list of the requests that change something, and of all. */
export function counting(kube: Kube): { kube: Kube; all: string[]; changes: string[] } {
  const all: string[] = [];
  const changes: string[] = [];
  const wrapped: Kube = {
    ...kube,
    async request(target: string, options: KubeRequest) {
      const line = `${options.method ?? "GET"} ${target}`;
      all.push(line);
      if (options.method !== undefined && options.method !== "GET") changes.push(line);
      return await kube.request(target, options);
    },
  };
  return { kube: wrapped, all, changes };
}

export async function get(kube: Kube, target: string): Promise<KubeObject | undefined> {
  try {
    return (await kube.request(target, { signal: AbortSignal.timeout(60_000) })) as KubeObject;
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 404) return undefined;
    throw error;
  }
}

export async function send(
  kube: Kube,
  method: "POST" | "PATCH" | "DELETE",
  target: string,
  body?: unknown,
  contentType?: string,
): Promise<KubeObject> {
  const signal = AbortSignal.timeout(60_000);
  return (await kube.request(target, {
    method,
    ...(body === undefined ? {} : { body }),
    ...(contentType === undefined ? {} : { contentType }),
    signal,
  })) as KubeObject;
}

/** Polls until `check` gives a value, at most 180 s. */
export async function eventually<T>(check: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 180_000;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error("the condition was not met within 180 s");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
