import { createSocket } from "node:dgram";
import { request } from "node:http";
import { networkInterfaces } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engineContainers } from "../../src/docker/engine-containers.js";
import { hasGateway } from "../../src/docker/target/dial.js";
import { prefixOf } from "../../src/docker/target/host.js";
import { label, labelled } from "../../src/docker/target/labels.js";
import type { KubeObject } from "../../src/engine/kube-object.js";
import type { Target } from "../../src/engine/target.js";
import {
  api,
  applyTo,
  engine,
  everything,
  follow,
  hasImage,
  image,
  never,
  openDocker,
  work,
} from "./both-targets.js";

// What the docker target does that a cluster does not, or has others do.

const containers = engineContainers(api);
const sh = (script: string): readonly string[] => ["sh", "-c", script];
const stay = "trap 'exit 0' TERM; while :; do sleep 0.2; done";
const served = `mkdir /www && echo served > /www/index.html && httpd -p 8080 -h /www; ${stay}`;

function pod(name: string, container: object, spec: object = {}): KubeObject {
  const main = { name: "main", image, command: sh(stay), ...container };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    ...{ spec: { terminationGracePeriodSeconds: 1, containers: [main], ...spec } },
  };
}
const web = pod("web", {
  command: sh(served),
  readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
});
const service = (name: string, port: object, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name },
  ...{ spec: { selector: { app: name }, ports: [port], ...more } },
});
const webService = service("web", { port: 80, targetPort: 8080 });

async function until<T>(look: () => Promise<T | undefined | false>, what: string): Promise<T> {
  for (const end = Date.now() + 180_000; Date.now() < end;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within three minutes`);
}

describe.skipIf(!(await hasImage()))("the docker target", () => {
  let project = "";
  let target: Target;
  let followed: ReturnType<typeof follow>;

  beforeEach(async () => {
    project = `target-${Math.random().toString(36).slice(2, 7)}`;
    await open();
  });
  afterEach(async () => {
    await close();
    await target.remove(everything(project), work);
  });
  async function open(): Promise<void> {
    target = await openDocker(project);
    followed = follow(target, project);
  }
  async function close(): Promise<void> {
    await followed[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  }
  const ready = (name: string) =>
    followed.until(name, ({ conditions = [] }) =>
      conditions.some(({ type, status }) => type === "Ready" && status === "True"),
    );
  /** Output of a program in a pod; its exit code does not count. */
  async function run(name: string, script: string): Promise<string> {
    const { containerID: id = "" } = followed.status(name)?.containerStatuses?.[0] ?? {};
    const { stdout, stderr } = await engine.exec(id, sh(script), { signal: never });
    return (stdout + stderr).trim();
  }
  const fetched = (from: string, url: string): Promise<string> =>
    run(from, `timeout 20 wget -qO- ${url} 2>&1`).catch(String);
  const withRole = (role: string) =>
    containers.list([labelled(label.project, project), labelled(label.role, role)], { signal: never });

  it("makes a pod's network and a Service's forwarder anew where somebody removes them", async () => {
    const elsewhere: KubeObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "elsewhere" },
      ...{ spec: { type: "ExternalName", externalName: `web.${project}.svc.cluster.local` } },
    };
    await applyTo(target, project, [webService, elsewhere, web, pod("client", {})]);
    await Promise.all([ready("web"), ready("client")]);
    await until(async () => (await fetched("client", "http://web/")) === "served", "the page");
    // Its other name as well.
    expect(await fetched("client", "http://elsewhere/")).toBe("served");
    const [hold] = (await withRole("hold")).filter(({ name }) => name.endsWith(".web"));
    const [forwarder] = await withRole("service");
    await containers.remove(forwarder!.id, { signal: never });
    await containers.remove(hold!.id, { signal: never });
    await followed.until("web", ({ containerStatuses = [] }) =>
      containerStatuses.some(({ restartCount }) => restartCount === 1),
    );
    await until(async () => (await fetched("client", "http://web/")) === "served", "the page again");
    expect((await withRole("service")).map(({ id }) => id)).not.toContain(forwarder!.id);
  });

  it("brings the files of a ConfigMap that changes under its own name to pods that run, those of subPath aside", async () => {
    const settings = (data: Readonly<Record<string, string>>): KubeObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings" },
      ...{ data },
    });
    // Debian's engine mounts no part of a volume.
    const { apiVersion } = await engine.ping({ signal: never });
    const parts = Number(apiVersion.split(".")[1]) >= 45;
    const reader = pod(
      "reader",
      {
        volumeMounts: [
          { name: "v", mountPath: "/v" },
          ...(parts ? [{ name: "v", mountPath: "/one", subPath: "a" }] : []),
        ],
      },
      { volumes: [{ name: "v", configMap: { name: "settings" } }] },
    );
    await applyTo(target, project, [settings({ a: "1", b: "2" }), reader]);
    await ready("reader");
    expect(await run("reader", `cat /v/a /v/b ${parts ? "/one" : ""}`)).toBe(parts ? "121" : "12");
    await applyTo(target, project, [settings({ a: "3", c: "4" }), reader]);
    expect(await run("reader", `cd /v; ls; cat a c ${parts ? "/one" : ""}`)).toBe(
      `a\nc\n34${parts ? "1" : ""}`,
    );
    expect((followed.status("reader")?.containerStatuses ?? [])[0]?.restartCount).toBe(0);
    // A later session knows what they hold, not what they were made with.
    await close();
    await open();
    await applyTo(target, project, [settings({ a: "1", b: "2" }), reader]);
    await ready("reader");
    expect(await run("reader", "cd /v; ls; cat a b")).toBe("a\nb\n12");
    expect((followed.status("reader")?.containerStatuses ?? [])[0]?.restartCount).toBe(0);
  });

  it("takes up all workloads as they are, before their deploys are applied, and tells of those without pods", async () => {
    const idle: KubeObject = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "idle" },
      ...{
        spec: {
          replicas: 0,
          selector: { matchLabels: { app: "idle" } },
          template: { metadata: { labels: { app: "idle" } }, spec: { containers: [{ name: "c", image }] } },
        },
      },
    };
    await applyTo(target, project, [webService, web, idle], "one");
    await applyTo(target, project, [pod("client", {})], "two");
    await Promise.all([ready("web"), ready("client")]);
    await until(async () => (await withRole("record")).length === 1, "a record of the one without pods");
    const before = (await withRole("container")).map(({ id }) => id).sort();
    await close();
    await open();
    expect((await target.deployed(project, { signal: never })).workloads.map(({ id }) => id)).toEqual([
      `Deployment/${project}/idle`,
      `Pod/${project}/client`,
      `Pod/${project}/web`,
    ]);
    await applyTo(target, project, [pod("client", {})], "two");
    await ready("client");
    await until(async () => (await fetched("client", "http://web/")) === "served", "the other deploy's page");
    expect((await withRole("container")).map(({ id }) => id).sort()).toEqual(before);
    // Whoever looks meanwhile sees what the probe says.
    const other = await openDocker(project);
    await run("web", "kill $(pidof httpd)");
    await other.deployed(project, { signal: never });
    const seen = follow(other, project);
    expect(seen.status("web")?.containerStatuses?.map((each) => each.ready)).toEqual([false]);
    await seen[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    expect(await target.prune({ project, keep: ["two"] }, work)).toEqual(
      ["Pod/web", "Deployment/idle", "Service/web"].sort(
        (a, b) => Number(a.startsWith("Service")) - Number(b.startsWith("Service")),
      ),
    );
  });

  it("removes all of a project, its claims when that is asked for, and nothing of one of nearly the same name", async () => {
    const other = `${project}-2`;
    const beside = await openDocker(other);
    const workload = (kind: string, name: string, spec: object, inPod: object): KubeObject => ({
      apiVersion: kind === "Job" ? "batch/v1" : "apps/v1",
      ...{ kind, metadata: { name } },
      ...{ spec: { selector: {}, template: { metadata: { labels: { app: name } }, spec: inPod }, ...spec } },
    });
    const main = { name: "main", image, command: sh(stay), volumeMounts: [{ name: "v", mountPath: "/v" }] };
    const db = workload(
      "StatefulSet",
      "db",
      { volumeClaimTemplates: [{ metadata: { name: "v" }, spec: {} }] },
      { terminationGracePeriodSeconds: 1, containers: [main] },
    );
    const once = { containers: [{ ...main, command: ["true"] }], volumes: [{ name: "v", emptyDir: {} }] };
    const objects = [
      webService,
      web,
      db,
      workload("Deployment", "idle", { replicas: 0 }, { containers: [main] }),
      workload("Job", "once", {}, once),
    ];
    const all = async (of: string) => {
      const own = labelled(label.project, of);
      const [found, networks, volumes] = await Promise.all([
        containers.list([own], { signal: never }),
        containers.networks(own, { signal: never }),
        containers.volumes(own, { signal: never }),
      ]);
      const runs = found.map(({ id, state }) => `${id} ${state.status} ${state.startedAt}`);
      return { runs: runs.sort(), networks, volumes: volumes.map(({ name }) => name).sort() };
    };
    const isThere = async (of: string, there: number, ended: number) => {
      const { runs } = await all(of);
      return runs.length === there && runs.filter((run) => run.includes(" exited ")).length === ended;
    };
    try {
      const request = { deploy: "specs", namespace: project, imageNames: [], waiting: [], later: [] };
      await Promise.all([
        target.apply({ ...request, project, objects }, work),
        beside.apply({ ...request, project: other, objects: [webService, db] }, work),
      ]);
      // Of each pod two, of the Service one, and one that stands for what has no pods.
      await until(() => isThere(project, 8, 1), "all of the project");
      await until(() => isThere(other, 3, 0), "all of the other");
      const before = await all(other);
      const own = await all(project);
      const asked = { ...everything(project), includeNamespaces: false, includeVolumes: false };
      const expected = {
        removed: ["Deployment/idle", "Job/once", "Pod/web", "Service/web", "StatefulSet/db"].map(
          (title) => `${title} in ${project}`,
        ),
        kept: [`PersistentVolumeClaim/v-db-0 in ${project}`],
      };
      await close();
      expect(await target.remove({ ...asked, dryRun: true }, work)).toEqual(expected);
      const left = await all(project);
      expect(left.volumes).toEqual(own.volumes);
      expect(left.runs).toHaveLength(own.runs.length);
      expect(await target.remove(asked, work)).toEqual(expected);
      expect(await all(project)).toEqual({
        runs: [],
        networks: [],
        volumes: [expect.stringContaining("v-db-0")],
      });
      expect(await target.remove({ ...asked, includeVolumes: true }, work)).toEqual({
        removed: expected.kept,
        kept: [],
      });
      expect(await all(project)).toEqual({ runs: [], networks: [], volumes: [] });
      expect(await all(other)).toEqual(before);
      await open();
    } finally {
      await beside[Symbol.asyncDispose]();
      await beside.remove(everything(other), work);
    }
  });

  it("says of a headless Service that comes after its pods that they have to start anew for its name, once", async () => {
    const notes: string[] = [];
    const applied = (objects: readonly KubeObject[]) =>
      target.apply(
        {
          ...{ project, deploy: "specs", namespace: project, imageNames: [], waiting: [], later: [] },
          objects: [...objects],
        },
        { ...work, onNote: (note) => void notes.push(note) },
      );
    const client = pod("client", {});
    await applied([web, client]);
    await Promise.all([ready("web"), ready("client")]);
    // Of another name than the pod: engines know the hosts' own names as well.
    const headless = service("peers", { port: 8080 }, { clusterIP: "None", selector: { app: "web" } });
    await applied([headless, web, client]);
    await applied([headless, web, client]);
    expect(notes).toEqual([
      "Service/peers is headless and newer than the pods of Pod/web: its name leads to pods that start from now on (devloop restart web)",
    ]);
    expect(await fetched("client", "http://peers:8080/")).toContain("bad address");
    await target.restart({ kind: "Pod", namespace: project, name: "web" }, { signal: never });
    await until(
      async () => (await fetched("client", "http://peers:8080/")) === "served",
      "the page by its name",
    );
    // Those that have it are not told of.
    await applied([headless, web, client]);
    expect(notes).toHaveLength(1);
  });

  it("serves Ingress rules on a local port", async () => {
    const notes: string[] = [];
    const rule = (host: string | undefined, path: string, pathType: string): object => ({
      ...(host === undefined ? {} : { host }),
      http: { paths: [{ path, pathType, backend: { service: { name: "web", port: { number: 80 } } } }] },
    });
    const ingress: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata: { name: "shop" },
      ...{ spec: { rules: [rule("shop.localhost", "/", "Prefix"), rule(undefined, "/exact", "Exact")] } },
    };
    await target.apply(
      {
        ...{ project, deploy: "specs", namespace: project, imageNames: [], waiting: [], later: [] },
        objects: [webService, web, ingress],
      },
      { ...work, onNote: (note) => void notes.push(note) },
    );
    await ready("web");
    const url = /Ingress\/shop: (http:\/\/shop\.localhost:(\d+)\/)/.exec(notes.join("\n"));
    const ask = (host: string, path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const asked = request({ host: "127.0.0.1", port: url?.[2], path, headers: { host } }, (answer) => {
          let text = `${answer.statusCode} `;
          answer.on("data", (chunk) => (text += String(chunk)));
          answer.once("end", () => {
            resolve(text.trim());
          });
        });
        asked.once("error", reject);
        asked.end();
      });
    await until(async () => (await ask("shop.localhost", "/")) === "200 served", "the page");
    expect(await ask("other.example", "/")).toBe("404 devloop: no rule of an Ingress leads here");
    // The path goes on as it is, and the server has no such page.
    expect(await ask("other.example", "/exact")).toMatch(/^404 (?!devloop)/);
  });

  it("runs a CronJob when it is asked to, and not before", async () => {
    const job: KubeObject = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "report" },
      ...{
        spec: {
          schedule: "* * * * *",
          jobTemplate: {
            spec: {
              template: {
                metadata: { labels: { app: "report" } },
                spec: {
                  restartPolicy: "Never",
                  containers: [{ name: "main", image, command: ["echo", "ran"] }],
                },
              },
            },
          },
        },
      },
    };
    const notes: string[] = [];
    await target.apply(
      {
        ...{ project, deploy: "specs", namespace: project, imageNames: [], waiting: [], later: [] },
        objects: [job],
      },
      { ...work, onNote: (note) => void notes.push(note) },
    );
    expect(notes).toEqual([
      "not honoured without a cluster: CronJob/report (schedule: devloop restart runs it)",
    ]);
    await until(async () => (await withRole("record")).length === 1, "it to be taken up without pods");
    for (const run of [1, 2]) {
      const before = (await withRole("container")).map(({ id }) => id);
      await target.restart({ kind: "CronJob", namespace: project, name: "report" }, { signal: never });
      await until(async () => {
        const now = await withRole("container");
        return now.length === 1 && !before.includes(now[0]!.id) && now[0]!.state.status === "exited";
      }, `run ${run}`);
    }
  });

  it("refuses paths of the machine that are not allowed, and images that are not to be fetched", async () => {
    const mounts = pod(
      "mounts",
      { volumeMounts: [{ name: "v", mountPath: "/v" }] },
      { volumes: [{ name: "v", hostPath: { path: "/etc" } }] },
    );
    const absent = pod("absent", { image: "devloop-test/none:1", imagePullPolicy: "Never" });
    await applyTo(target, project, [mounts, absent]);
    const reason = (name: string, is: string) =>
      followed.until(
        name,
        ({ containerStatuses = [] }) => containerStatuses[0]?.state?.waiting?.reason === is,
      );
    await reason("mounts", "CreateContainerConfigError");
    await reason("absent", "ErrImageNeverPull");
    await target[Symbol.asyncDispose]();
    await followed[Symbol.asyncDispose]();
    target = await openDocker(project, { hostPaths: ["/etc"] });
    followed = follow(target, project);
    await applyTo(target, project, [mounts]);
    await ready("mounts");
    expect(await run("mounts", "cat /v/hostname")).not.toBe("");
  });

  it("carries datagrams to a Service's pods", async ({ skip }) => {
    // The pod is a forwarder as well, and leads back to this process: no image has a server for datagrams.
    const echoes = service("echo", { port: 53, targetPort: 5353, protocol: "UDP" });
    await applyTo(target, project, [echoes]);
    const [gateway = ""] = await containers.gateways(prefixOf(project), { signal: never });
    // Where the engine's networks are not this machine's nothing leads back.
    skip(!process.env["CI"] && !hasGateway([gateway], networkInterfaces()), "no gateway of this machine");
    const server = createSocket("udp4");
    server.on("message", (message, { port, address }) => {
      server.send(`${message.toString()} back`, port, address);
    });
    await new Promise<void>((resolve) => server.bind(0, resolve));
    const role = labelled(label.role, "service");
    const [made] = await engine.containers([labelled(label.project, project), role], { signal: never });
    const rules: KubeObject = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "rules" },
      ...{ data: { rules: `5353/udp ${gateway}:${server.address().port}\nend\n` } },
    };
    const echo = pod(
      "echo",
      {
        image: made?.imageId,
        command: ["/pod", "forward", "/v/rules"],
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      },
      { volumes: [{ name: "v", configMap: { name: "rules" } }] },
    );
    await applyTo(target, project, [echoes, rules, echo]);
    await ready("echo");
    const [forwarder] = await withRole("service");
    const address = Object.values(forwarder!.addresses)[0] ?? "";
    const socket = createSocket("udp4");
    try {
      const answered = new Promise<string>((resolve) => {
        socket.once("message", (message) => {
          resolve(message.toString());
        });
      });
      const answer = await until(async () => {
        socket.send("hello", 53, address);
        const rest = new Promise<undefined>((resolve) => setTimeout(resolve, 300, undefined));
        return await Promise.race([answered, rest]);
      }, "an answer");
      expect(answer).toBe("hello back");
    } finally {
      socket.close();
      server.close();
    }
  });
});
