import { describe, expect, it } from "vitest";
import { readClusterUses } from "../../../src/cluster/disk/cluster-uses.js";
import { type Kube, KubeStatusError } from "../../../src/cluster/kube.js";

const { signal } = new AbortController();
const digest = `sha256:${"a".repeat(64)}`;
const template = (image: string): object => ({ template: { spec: { containers: [{ image }] } } });
const named = (name: string, rest: object): object => ({ metadata: { name, namespace: "shop" }, ...rest });

/** A cluster that knows these collections, and 404 for the rest. */
function cluster(collections: Readonly<Record<string, readonly object[] | KubeStatusError>>): Kube {
  return {
    request: (path: string) => {
      const [collection = "", query = ""] = path.split("?");
      const items = collections[collection];
      if (items instanceof KubeStatusError) return Promise.reject(items);
      if (!items) return Promise.reject(new KubeStatusError(404, "NotFound", "no such thing"));
      // Two pages: what is on the second counts too.
      return Promise.resolve(
        query.includes("continue=next")
          ? { items: items.slice(1) }
          : { items: items.slice(0, 1), metadata: { continue: items.length > 1 ? "next" : "" } },
      );
    },
  } as unknown as Kube;
}

const empty = Object.fromEntries(
  ["deployments", "statefulsets", "daemonsets", "replicasets"].map((name) => [`/apis/apps/v1/${name}`, []]),
);
const all = { ...empty, "/api/v1/pods": [], "/apis/batch/v1/jobs": [], "/apis/batch/v1/cronjobs": [] };

describe("what a cluster uses", () => {
  it("is every image of its pods and of what may start pods", async () => {
    const uses = await readClusterUses(
      cluster({
        ...all,
        "/api/v1/pods": [
          named("first", { spec: { containers: [{ image: "web:1" }], initContainers: [{ image: "init" }] } }),
          named("second", {
            spec: { containers: [{ image: "web:2" }], ephemeralContainers: [{ image: "debug:1" }] },
            status: {
              containerStatuses: [{ image: "sha256:x", imageID: `docker.io/library/web@${digest}` }],
            },
          }),
        ],
        "/apis/apps/v1/deployments": [named("a", { spec: { ...template("deployed:1"), replicas: 0 } })],
        "/apis/apps/v1/replicasets": [
          named("old", { spec: { ...template("replaced:1"), replicas: 0 } }),
          named("new", { spec: { ...template("current:1"), replicas: 1 } }),
        ],
        "/apis/batch/v1/jobs": [named("job", { spec: template("ghcr.io/acme/job:1") })],
        "/apis/argoproj.io/v1alpha1/rollouts": [named("r", { spec: template("rolled:1") })],
      }),
      { signal },
    );
    expect(Object.fromEntries(uses.refs)).toMatchObject({
      "docker.io/library/web:1": "pod shop/first",
      "docker.io/library/init:latest": "pod shop/first",
      "docker.io/library/web:2": "pod shop/second",
      "docker.io/library/debug:1": "pod shop/second",
      "docker.io/library/deployed:1": "Deployment shop/a",
      "docker.io/library/current:1": "ReplicaSet shop/new",
      "ghcr.io/acme/job:1": "Job shop/job",
      "docker.io/library/rolled:1": "Rollout shop/r",
    });
    expect([...uses.refs.keys()]).not.toContain("docker.io/library/replaced:1");
    expect(Object.fromEntries(uses.digests)).toEqual({ [digest]: "pod shop/second" });
  });

  it("is asked of older servers in their own way", async () => {
    const { "/apis/batch/v1/cronjobs": _, ...older } = all;
    const job = named("nightly", { spec: { jobTemplate: { spec: template("nightly:1") } } });
    const uses = await readClusterUses(cluster({ ...older, "/apis/batch/v1beta1/cronjobs": [job] }), {
      signal,
    });
    expect([...uses.refs]).toEqual([["docker.io/library/nightly:1", "CronJob shop/nightly"]]);
  });

  it("is not known where something may not be read, but for kinds that are not Kubernetes' own", async () => {
    const forbidden = new KubeStatusError(403, "Forbidden", "jobs is forbidden");
    await expect(
      readClusterUses(cluster({ ...all, "/apis/batch/v1/jobs": forbidden }), { signal }),
    ).rejects.toBe(forbidden);
    const rollouts = { ...all, "/apis/argoproj.io/v1alpha1/rollouts": forbidden };
    await expect(readClusterUses(cluster(rollouts), { signal })).resolves.toBeDefined();
  });
});
