import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chooseCluster } from "../../../src/cluster/providers/choose.js";
import type { EngineContainer } from "../../../src/engine/container-engine.js";
import { failure, fakeEngine, k3dNode, kindNode } from "../load/fake-nodes.js";

const signal = new AbortController().signal;
let bin: string;
beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), "devloop-create-"));
});
afterEach(async () => {
  await rm(bin, { recursive: true });
});

/** Puts a command on PATH that notes how it was called and exits. */
async function fakeTool(name: string, exit: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\necho "$@" >> "${bin}/calls"\n${exit}\n`);
  await chmod(join(bin, name), 0o755);
}

async function create(provider: "kind" | "k3d", made: EngineContainer): Promise<string> {
  // The cluster is there once the command has been called.
  const called = async (): Promise<string> => await readFile(join(bin, "calls"), "utf8").catch(() => "");
  let containers: readonly EngineContainer[] = [];
  const engine = fakeEngine(() => containers);
  const watching = {
    ...engine,
    containers: async (...args: Parameters<typeof engine.containers>) => {
      if ((await called()) !== "") containers = [made];
      return await engine.containers(...args);
    },
  };
  const spec = { provider, name: "fresh", create: true, allow: [] };
  const env = { PATH: `${bin}:/bin:/usr/bin` };
  const config = new KubeConfig();
  config.loadFromOptions({ clusters: [], users: [], contexts: [], currentContext: "" });
  const chosen = await chooseCluster(spec, config, { engine: watching, env, signal });
  expect(chosen.created).toBe(true);
  return (await called()).trim();
}

describe("create: true", () => {
  it("makes a kind cluster with kind's command and finds it afterwards", async () => {
    await fakeTool("kind", "exit 0");
    expect(await create("kind", kindNode("fresh"))).toBe("create cluster --name fresh --wait 60s");
  });

  it("makes a k3d cluster with k3d's command", async () => {
    await fakeTool("k3d", "exit 0");
    expect(await create("k3d", k3dNode("fresh"))).toBe("cluster create fresh --wait");
  });

  it("passes on the command's own words when it fails", async () => {
    await fakeTool("kind", "echo 'ERROR: no space left' >&2; exit 1");
    expect(await failure(() => create("kind", kindNode("fresh")))).toMatchObject({
      code: "TOOL_FAILED",
      detail: "ERROR: no space left",
    });
  });

  it("says how to install a command that is missing", async () => {
    // k3d is not installed on test machines; an empty PATH would hide a real one too.
    const config = new KubeConfig();
    config.loadFromOptions({ clusters: [], users: [], contexts: [], currentContext: "" });
    const spec = { provider: "k3d" as const, name: "fresh", create: true, allow: [] };
    const options = { engine: fakeEngine(() => []), env: { PATH: bin }, signal };
    expect(await failure(() => chooseCluster(spec, config, options))).toMatchObject({
      code: "TOOL_MISSING",
      hint: expect.stringContaining("k3d.io"),
    });
  });
});
