import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { objectPath, openResourceTypes } from "../../../src/cluster/apply/resource-types.js";
import { KubeStatusError, type Kube, type KubeObject } from "../../../src/cluster/kube.js";
import { renderKustomize } from "../../../src/cluster/render/kustomize.js";
import { get, openTestCluster, send, uniqueName } from "../../cluster/apply/cluster.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture, written } from "./projects.js";

const { signal } = new AbortController();
const opened = await openTestCluster();
const namespace = uniqueName("migrate");

describe.skipIf(!opened && !process.env["CI"])("the API server takes every object", () => {
  beforeAll(async () => {
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    await send(cluster(), "POST", "/api/v1/namespaces", body);
  });
  afterAll(async () => {
    if (await get(cluster(), `/api/v1/namespaces/${namespace}`))
      await send(cluster(), "DELETE", `/api/v1/namespaces/${namespace}`);
    opened?.[Symbol.dispose]();
  });

  it.each(fixtureNames())("%s", async (name) => {
    const migration = await convertFixture(name, {
      waitInitContainers: true,
      probes: "full",
      hostMounts: true,
      networkPolicies: true,
    });
    const out = written(migration);
    onTestFinished(() => {
      rmSync(out, { recursive: true });
    });
    const types = openResourceTypes(cluster());
    const refused: string[] = [];
    const overlays = readdirSync(join(out, "k8s/overlays")).map((overlay) => `overlays/${overlay}`);
    for (const folder of ["base", ...overlays]) {
      for (const object of await renderKustomize(join(out, "k8s", folder), { signal })) {
        if (object.kind === "Namespace") continue;
        const type = await types.find(object.apiVersion, object.kind, { signal });
        // A server of 1.20 has no CronJob of batch/v1, which every newer one has.
        if (!type) expect(`${object.apiVersion} ${object.kind}`).toBe("batch/v1 CronJob");
        else refused.push(...(await refusal(object, objectPath(type, namespace, object.metadata.name))));
      }
    }
    expect(refused).toEqual([]);
  });
});

async function refusal(object: KubeObject, path: string): Promise<readonly string[]> {
  const body = { ...object, metadata: { ...object.metadata, namespace } };
  try {
    await cluster().request(`${path}?dryRun=All&fieldManager=test&force=true`, {
      method: "PATCH",
      contentType: "application/apply-patch+yaml",
      body,
      signal: AbortSignal.timeout(20_000),
    });
    return [];
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    return [`${object.kind}/${object.metadata.name}: ${error.message}`];
  }
}

function cluster(): Kube {
  if (!opened) throw new Error("no test cluster answers");
  return opened;
}
