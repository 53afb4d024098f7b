import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { objectPath, openResourceTypes } from "../../../src/cluster/apply/resource-types.js";
import { KubeStatusError, type Kube, type KubeObject } from "../../../src/cluster/kube.js";
import { eachConcurrently } from "../../../src/lib/each-concurrently.js";
import { get, openTestCluster, send, uniqueName } from "../../cluster/apply/cluster.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture } from "./projects.js";
import { renderTogether } from "./render-together.js";

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

  it("of the base and every overlay of every project", { timeout: 600_000 }, async () => {
    const migrations = await Promise.all(
      fixtureNames().map(async (name) => {
        const choices = {
          waitInitContainers: true,
          probes: "full",
          hostMounts: true,
          networkPolicies: true,
        } as const;
        return [name, (await convertFixture(name, choices)).files] as const;
      }),
    );
    const types = openResourceTypes(cluster());
    const rendered = await renderTogether(Object.fromEntries(migrations));
    expect(new Set(rendered.map(({ project }) => project))).toEqual(new Set(fixtureNames()));
    const all = rendered.flatMap(({ project, overlay, objects }) =>
      objects.map((object) => ({ object, place: `${project}, ${overlay}` })),
    );
    const refused = await eachConcurrently(all, 8, async ({ object, place }) => {
      const type = await types.find(object.apiVersion, object.kind, {
        signal: AbortSignal.timeout(60_000),
      });
      // A server of 1.20 has no CronJob of batch/v1, which every newer one has.
      if (!type) return object.kind === "CronJob" ? [] : [`${place}: no kind ${object.kind}`];
      const reasons = await refusal(object, objectPath(type, namespace, object.metadata.name));
      return reasons.map((reason) => `${place}: ${reason}`);
    });
    expect(refused.flat()).toEqual([]);
  });
});

async function refusal(object: KubeObject, path: string): Promise<readonly string[]> {
  const body = { ...object, metadata: { ...object.metadata, namespace } };
  try {
    await cluster().request(`${path}?dryRun=All&fieldManager=test&force=true`, {
      method: "PATCH",
      contentType: "application/apply-patch+yaml",
      body,
      signal: AbortSignal.timeout(60_000),
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
