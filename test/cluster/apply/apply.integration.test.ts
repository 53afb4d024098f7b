import { afterAll, describe, expect, it } from "vitest";
import type { ApplyRequest } from "../../../src/engine/target.js";
import { applyDeploy } from "../../../src/cluster/apply/apply.js";
import { pruneDeploys } from "../../../src/cluster/apply/prune.js";
import { removeProject } from "../../../src/cluster/apply/remove.js";
import { openResourceTypes, type ResourceTypes } from "../../../src/cluster/apply/resource-types.js";
import type { Kube, KubeObject, KubeRequest } from "../../../src/cluster/kube.js";
import { counting, eventually, get, openTestCluster, send, uniqueName } from "./cluster.js";
import { configMap, customResourceDefinition, deployment, job, secret, service } from "./objects.js";

const opened = await openTestCluster();
const namespaces: string[] = [];
const definitions: string[] = [];

afterAll(async () => {
  if (!opened) return;
  for (const name of definitions) await drop(`${crdPath}/${name}`);
  for (const name of namespaces) await drop(`/api/v1/namespaces/${name}`);
  opened[Symbol.dispose]();
});

async function drop(target: string): Promise<void> {
  if (await get(cluster(), target)) await send(cluster(), "DELETE", target);
}

const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

function cluster(): Kube {
  if (!opened) throw new Error("no test cluster answers");
  return opened;
}

/** One project in a namespace of its own. */
function newProject(prefix = "apply") {
  const name = uniqueName(prefix);
  namespaces.push(name);
  const notes: string[] = [];
  const progress: string[] = [];
  const types: ResourceTypes = openResourceTypes(cluster());
  const path = (plural: string, object: string) =>
    plural === "deployments"
      ? `/apis/apps/v1/namespaces/${name}/deployments/${object}`
      : `/api/v1/namespaces/${name}/${plural}/${object}`;
  return {
    name,
    notes,
    progress,
    path,
    apply(
      objects: readonly KubeObject[],
      options: Partial<ApplyRequest> & { kube?: Kube; signal?: AbortSignal } = {},
    ) {
      const { kube = cluster(), signal = AbortSignal.timeout(240_000), ...rest } = options;
      return applyDeploy(
        kube,
        {
          project: name,
          deploy: "k8s/dev",
          namespace: name,
          objects,
          imageNames: ["busybox"],
          waiting: [],
          later: [],
          ...rest,
        },
        {
          signal,
          onNote: (note) => notes.push(note),
          onProgress: ({ message }) => progress.push(message),
          types,
        },
      );
    },
    async inventory(): Promise<string> {
      const found = await get(cluster(), path("configmaps", `devloop-inventory-${name}`));
      return JSON.stringify(found?.["data"]);
    },
  };
}

describe.skipIf(!opened && !process.env["CI"])("applying a deploy to a cluster", () => {
  it("creates what is missing, its namespace too, and sends nothing the second time", async () => {
    const project = newProject();
    const objects = [
      deployment("web"),
      service("web"),
      configMap("settings", { a: "1" }),
      secret("key", { word: "sesame-open" }),
    ];
    const first = await project.apply(objects);
    expect(first).toMatchObject({ created: 4, changed: 0, unchanged: 0, pruned: [], replaced: [] });
    expect(project.notes).toEqual([`created namespace ${project.name}, which no manifest declares`]);
    expect(first.workloads).toMatchObject([
      { id: `Deployment/${project.name}/web`, kind: "Deployment", generation: 1, images: ["busybox"] },
    ]);
    const live = await get(cluster(), project.path("deployments", "web"));
    expect(live?.metadata.uid).toBe(first.workloads[0]?.uid);
    expect(live?.metadata.labels).toEqual({ "devloop.dev/project": project.name });
    expect(JSON.stringify(live?.["spec"])).not.toContain("devloop.dev");
    const inventory = await project.inventory();
    expect(inventory).toContain("settings");
    expect(inventory).not.toContain("sesame-open");
    expect(inventory).not.toContain(Buffer.from("sesame-open").toString("base64"));

    const { kube, changes } = counting(cluster());
    const second = await project.apply(objects, { kube });
    expect(second).toMatchObject({ created: 0, changed: 0, unchanged: 4, workloads: first.workloads });
    expect(changes).toEqual([]);
  });

  it("sends only the object that changed", async () => {
    const project = newProject();
    await project.apply([
      configMap("a", { x: "1" }),
      configMap("b"),
      secret("s", { one: "11111", two: "22222" }),
    ]);
    const { kube, changes } = counting(cluster());
    const output = await project.apply(
      [configMap("a", { x: "2" }), configMap("b"), secret("s", { one: "11111", two: "22222" })],
      { kube },
    );
    expect(output).toMatchObject({ created: 0, changed: 1, unchanged: 2 });
    expect(changes.filter((line) => !line.includes("devloop-inventory"))).toEqual([
      `PATCH ${project.path("configmaps", "a")}?fieldManager=devloop&force=false`,
    ]);
    await project.apply([configMap("a", { x: "2" }), configMap("b"), secret("s", { one: "11111" })]);
    const live = await get(cluster(), project.path("secrets", "s"));
    expect(Object.keys(live?.["data"] as object)).toEqual(["one"]);
  });

  it("prunes what is rendered no more, and nothing that it did not make", async () => {
    const project = newProject();
    await project.apply([configMap("a"), configMap("b"), configMap("c")]);
    await send(cluster(), "POST", `/api/v1/namespaces/${project.name}/configmaps`, {
      ...configMap("foreign"),
      metadata: { name: "foreign", labels: { "devloop.dev/project": project.name } },
    });
    // Made anew by someone else: same name, another object.
    await send(cluster(), "DELETE", project.path("configmaps", "c"));
    await send(cluster(), "POST", `/api/v1/namespaces/${project.name}/configmaps`, configMap("c"));
    const output = await project.apply([configMap("a")]);
    expect(output.pruned).toEqual(["ConfigMap/b"]);
    expect(await get(cluster(), project.path("configmaps", "b"))).toBeUndefined();
    expect(await get(cluster(), project.path("configmaps", "c"))).toBeDefined();
    expect(await get(cluster(), project.path("configmaps", "foreign"))).toBeDefined();
    expect(await project.inventory()).not.toContain('"b"');
  });

  it("keeps what a generator renamed until the apply after: the rollout before still needs it", async () => {
    const project = newProject();
    const names = ["web-bcdfghkmt2", "web-9876542bcd", "web-tttttttttt"] as const;
    const there = async (): Promise<readonly string[]> => {
      const found = names.map(
        async (name) => [name, await get(cluster(), project.path("configmaps", name))] as const,
      );
      return (await Promise.all(found)).flatMap(([name, object]) => (object ? [name] : []));
    };
    await project.apply([configMap(names[0]), configMap("plain")]);
    expect((await project.apply([configMap(names[1]), configMap("plain")])).pruned).toEqual([]);
    expect(await there()).toEqual(names.slice(0, 2));
    const { pruned } = await project.apply([configMap(names[2])]);
    expect([...pruned].sort()).toEqual(["ConfigMap/plain", `ConfigMap/${names[0]}`]);
    expect(await there()).toEqual(names.slice(1));
    // Taken back, it is the one in use again; gone from the overlay, nothing of it stays.
    await project.apply([configMap(names[1])]);
    expect(await there()).toEqual(names.slice(1));
    await project.apply([configMap("other")]);
    expect(await there()).toEqual([]);
  });

  it("keeps an object that moved to another deploy, and prunes deploys that are gone", async () => {
    const project = newProject();
    await project.apply([configMap("a"), configMap("moved")], { deploy: "one" });
    await project.apply([configMap("moved"), configMap("c")], { deploy: "two" });
    const output = await project.apply([configMap("a")], { deploy: "one" });
    expect(output.pruned).toEqual([]);
    expect(await get(cluster(), project.path("configmaps", "moved"))).toBeDefined();
    const pruned = await pruneDeploys(
      cluster(),
      { project: project.name, namespace: project.name, keep: ["one"] },
      { signal: AbortSignal.timeout(240_000), onNote: (note) => project.notes.push(note) },
    );
    expect(pruned.sort()).toEqual(["ConfigMap/c", "ConfigMap/moved"]);
    expect(await get(cluster(), project.path("configmaps", "a"))).toBeDefined();
  });

  it("leaves a volume and a namespace that are rendered no more, and says so once", async () => {
    const project = newProject();
    const claim: KubeObject = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
    };
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: project.name } };
    const first = await project.apply([namespace, claim, configMap("a")]);
    expect(first.workloads.map((workload) => workload.kind)).toEqual(["PersistentVolumeClaim"]);
    expect(project.notes).toEqual([]);
    await project.apply([configMap("a")]);
    expect(project.notes).toHaveLength(2);
    expect(project.notes.join()).toContain("left PersistentVolumeClaim/data");
    const { kube, changes } = counting(cluster());
    await project.apply([configMap("a")], { kube });
    expect(project.notes).toHaveLength(2);
    expect(changes).toEqual([]);
    expect(await get(cluster(), project.path("persistentvolumeclaims", "data"))).toBeDefined();
  });

  it("makes a Job and a Deployment anew when a field cannot be changed, and says which", async () => {
    const project = newProject();
    const before = await project.apply([job("migrate", ["true"]), deployment("web")]);
    const after = await project.apply([
      job("migrate", ["echo", "again"]),
      deployment("web", { app: "other" }),
    ]);
    expect([...after.replaced].sort()).toEqual([
      "Deployment/web (spec.selector)",
      "Job/migrate (spec.template)",
    ]);
    expect(after).toMatchObject({ created: 0, changed: 2 });
    const uids = (output: typeof before) => output.workloads.map((workload) => workload.uid);
    expect(uids(after).filter((uid) => uids(before).includes(uid))).toEqual([]);
  });

  it("makes a Service anew that gets an address or loses it, and says so", async () => {
    const project = newProject();
    const plain = service("web") as KubeObject & { readonly spec: object };
    const headless = { ...plain, spec: { ...plain.spec, clusterIP: "None" } };
    const address = async (): Promise<string> => {
      const live = (await get(cluster(), project.path("services", "web"))) as typeof headless | undefined;
      return live?.spec.clusterIP ?? "none there";
    };
    await project.apply([plain]);
    for (const [next, expected] of [
      [headless, /^None$/],
      [plain, /^\d+(\.\d+){3}$/],
    ] as const) {
      const { replaced, created } = await project.apply([next]);
      expect(replaced).toEqual([expect.stringMatching(/^Service\/web \(spec\.clusterIPs?/)]);
      expect(created).toBe(0);
      expect(await address()).toMatch(expected);
    }
  });

  it("does not delete an object that could not be made again, nor a volume", async () => {
    const project = newProject();
    const broken = structuredClone(job("migrate", ["echo"])) as unknown as {
      spec: { template: { spec: { restartPolicy: string } } };
    };
    broken.spec.template.spec.restartPolicy = "Always";
    const [before] = (await project.apply([job("migrate", ["true"])])).workloads;
    await expect(project.apply([broken as unknown as KubeObject])).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message: expect.stringContaining("restartPolicy") as unknown,
    });
    const live = await get(cluster(), `/apis/batch/v1/namespaces/${project.name}/jobs/migrate`);
    expect(live?.metadata.uid).toBe(before?.uid);

    const claim = (mode: string): KubeObject => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data" },
      spec: { accessModes: [mode], resources: { requests: { storage: "1Mi" } } },
    });
    await project.apply([job("migrate", ["true"]), claim("ReadWriteOnce")]);
    await expect(project.apply([job("migrate", ["true"]), claim("ReadOnlyMany")])).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message: expect.stringContaining("lose its data") as unknown,
    });
    expect(await get(cluster(), project.path("persistentvolumeclaims", "data"))).toBeDefined();
  });

  it("waits until a new kind is established, and leaves it when it is rendered no more", async () => {
    const project = newProject();
    const group = `${project.name}.example.com`;
    definitions.push(`widgets.${group}`);
    const output = await project.apply([configMap("a"), customResourceDefinition(group)]);
    expect(output.created).toBe(2);
    const definition = await get(cluster(), `${crdPath}/widgets.${group}`);
    expect(JSON.stringify(definition?.["status"])).toContain('"type":"Established"');
    const next = await project.apply([configMap("a")]);
    expect(next.pruned).toEqual([]);
    expect(project.notes.join()).toContain("left CustomResourceDefinition");
    expect(await get(cluster(), `${crdPath}/widgets.${group}`)).toBeDefined();
  });

  it("names a kind that the cluster does not know", async () => {
    const project = newProject();
    const widget = { apiVersion: "nowhere.example.com/v1", kind: "Gadget", metadata: { name: "g" } };
    await expect(project.apply([widget])).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message: expect.stringContaining("Gadget/g") as unknown,
      hint: expect.stringContaining("CustomResourceDefinition") as unknown,
    });
  });

  it("names field and manager when another one owns a field, and takes kubectl's over on its own objects", async () => {
    const project = newProject();
    await project.apply([deployment("web"), configMap("a", { x: "1" })]);
    const merge = "application/merge-patch+json";
    await send(
      cluster(),
      "PATCH",
      `${project.path("deployments", "web")}?fieldManager=scaler`,
      { spec: { replicas: 1 } },
      merge,
    );
    await send(
      cluster(),
      "PATCH",
      `${project.path("configmaps", "a")}?fieldManager=kubectl-client-side-apply`,
      { data: { x: "theirs" } },
      merge,
    );
    const taken = await project.apply([deployment("web"), configMap("a", { x: "2" })]);
    expect(taken.changed).toBe(1);
    await expect(
      project.apply([deployment("web", { image: "busybox:2" }), configMap("a", { x: "2" })]),
    ).rejects.toMatchObject({
      code: "APPLY_CONFLICT",
      message: `Deployment/web in ${project.name} has another owner for .spec.replicas (set by scaler)`,
      hint: expect.stringContaining("remove replicas") as unknown,
    });
  });

  it("does not take an object from another project", async () => {
    const project = newProject();
    await project.apply([configMap("shared")]);
    await expect(
      project.apply([configMap("shared", { x: "y" })], { project: "other" }),
    ).rejects.toMatchObject({ code: "APPLY_CONFLICT" });
  });

  it("gives all reasons when several objects are refused, and goes on where it was", async () => {
    const project = newProject();
    const bad = (name: string) => ({ ...configMap(name), data: { "not a key": "v" } }) as KubeObject;
    await expect(
      project.apply([bad("one"), bad("two"), configMap("fine"), service("web")]),
    ).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message: expect.stringContaining("and 1 more") as unknown,
    });
    const { kube, changes } = counting(cluster());
    const output = await project.apply([configMap("fine"), service("web")], { kube });
    expect(output).toMatchObject({ created: 1, unchanged: 1, pruned: [] });
    expect(changes.filter((line) => line.includes("configmaps/fine"))).toEqual([]);
  });

  it("keeps a Secret's value out of the reason for its refusal", async () => {
    const project = newProject();
    const wrong: KubeObject = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { word: "not*base64*hunter2" },
    };
    const error: unknown = await project.apply([wrong]).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "APPLY_FAILED" });
    expect(JSON.stringify(error) + String(error)).not.toContain("hunter2");
  });

  it("waits for a namespace that is being deleted, and deploys into the new one", async () => {
    const project = newProject();
    await project.apply([configMap("a"), deployment("web")]);
    const before = await get(cluster(), `/api/v1/namespaces/${project.name}`);
    await send(cluster(), "DELETE", `/api/v1/namespaces/${project.name}`);
    const output = await project.apply([configMap("a"), deployment("web")]);
    expect(output.created).toBe(2);
    const after = await get(cluster(), `/api/v1/namespaces/${project.name}`);
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid);
    expect(project.progress.some((line) => line.includes(`namespace ${project.name} to be gone`))).toBe(true);
  });

  it("waits for an object that is being deleted, and creates it anew", async () => {
    const project = newProject();
    const [before] = (await project.apply([deployment("web"), configMap("a")])).workloads;
    const target = project.path("deployments", "web");
    const merge = "application/merge-patch+json";
    await send(cluster(), "PATCH", target, { metadata: { finalizers: ["example.com/hold"] } }, merge);
    await send(cluster(), "DELETE", target);
    const applying = project.apply([deployment("web"), configMap("a")]);
    await eventually(() =>
      Promise.resolve(project.progress.some((line) => line.includes("to be gone")) || undefined),
    );
    await send(cluster(), "PATCH", target, { metadata: { finalizers: null } }, merge);
    const output = await applying;
    expect(output).toMatchObject({ created: 1, unchanged: 1 });
    expect(output.workloads[0]?.uid).not.toBe(before?.uid);
  });

  it.each([1, 2, 3, 4, 5])(
    "cut short after %i changes, the next apply prunes what there is, and the one after completes it",
    async (cut) => {
      const project = newProject();
      const objects = [configMap("a"), secret("s", { k: "value" }), service("web"), deployment("web")];
      const stop = new AbortController();
      await expect(
        project.apply(objects, { kube: abortingAfter(cluster(), cut, stop), signal: stop.signal }),
      ).rejects.toThrow("cut short");
      await project.apply([configMap("a")]);
      for (const [plural, name] of [
        ["secrets", "s"],
        ["services", "web"],
        ["deployments", "web"],
      ] as const) {
        await eventually(async () => ((await get(cluster(), project.path(plural, name))) ? undefined : true));
      }
      expect(await project.apply(objects)).toMatchObject({ created: 3, unchanged: 1 });
      expect(await project.apply(objects)).toMatchObject({ created: 0, unchanged: 4 });
    },
  );

  it("keeps held-back objects that are there, and does not create those that are not", async () => {
    const project = newProject();
    await project.apply([deployment("web"), configMap("a")]);
    const output = await project.apply([configMap("a")], {
      waiting: [deployment("web"), deployment("new")],
    });
    expect(output).toMatchObject({ pruned: [], waiting: ["Deployment/web", "Deployment/new"] });
    expect(await get(cluster(), project.path("deployments", "web"))).toBeDefined();
    expect(await get(cluster(), project.path("deployments", "new"))).toBeUndefined();
    expect((await project.apply([configMap("a")])).pruned).toEqual(["Deployment/web"]);
  });

  it("removes the project on down, and keeps namespace and volumes until asked", async () => {
    const project = newProject();
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: project.name } };
    const claim: KubeObject = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
    };
    await project.apply([
      namespace,
      claim,
      service("web"),
      deployment("web", { replicas: 1 }),
      configMap("mine"),
    ]);
    await send(cluster(), "POST", `/api/v1/namespaces/${project.name}/configmaps`, configMap("theirs"));
    const options = { signal: AbortSignal.timeout(240_000), onNote: () => undefined };
    const request = { project: project.name, dryRun: false };
    const { kube, changes } = counting(cluster());
    const dry = await removeProject(kube, { ...request, dryRun: true }, options);
    expect(changes).toEqual([]);
    const removed = ["ConfigMap/mine", "Deployment/web", "Service/web"].map(
      (title) => `${title} in ${project.name}`,
    );
    const kept = [`Namespace/${project.name}`, `PersistentVolumeClaim/data in ${project.name}`];
    expect(dry).toEqual({ removed, kept });
    expect(await removeProject(cluster(), request, options)).toEqual({ removed, kept });
    expect(await get(cluster(), project.path("deployments", "web"))).toBeUndefined();
    expect(await get(cluster(), project.path("configmaps", "theirs"))).toBeDefined();
    const rest = await removeProject(
      cluster(),
      { ...request, includeNamespaces: true, includeVolumes: true },
      options,
    );
    expect(rest).toEqual({ removed: kept, kept: [] });
    expect(await get(cluster(), `/api/v1/namespaces/${project.name}`)).toBeUndefined();
    expect(await removeProject(cluster(), request, options)).toEqual({ removed: [], kept: [] });
  });

  it("deploys of one project do not lose each other's entries when applied at once", async () => {
    const project = newProject();
    await Promise.all(
      ["one", "two", "three"].map((deploy) => project.apply([configMap(deploy)], { deploy })),
    );
    const inventory = await project.inventory();
    for (const deploy of ["one", "two", "three"]) expect(inventory).toContain(`\\"${deploy}\\"`);
  });
});

/** Aborts right after the n-th request that changes something has been answered. */
function abortingAfter(kube: Kube, changes: number, stop: AbortController): Kube {
  let seen = 0;
  return {
    ...kube,
    async request(target: string, options: KubeRequest) {
      const answer = await kube.request(target, options);
      if (options.method !== undefined && options.method !== "GET" && ++seen >= changes) {
        stop.abort(new Error("cut short"));
      }
      return answer;
    },
  };
}
