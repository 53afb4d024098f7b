import { renameSync, writeFileSync } from "node:fs";
import { chmod, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, someTargets, type TestCluster } from "./clusters.js";
import { page, runToEnd, start, until, type EventOf, type Running } from "./devloop.js";
import { sleeping } from "./processes.js";
import { scratchProject, type Scratch } from "./scratch.js";

const started = (id: string) => (event: EventOf<"task.started">) => event.id === id;
const build = (image: string) => started(`build:${image}`);
const deployId = "deploy:k8s/overlays/dev";

describe.each(someTargets)("the loop on %s", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  let devloop: Running;

  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "loop");
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  it("serves both on their forwarded ports", async () => {
    expect(await page(project.ports.web)).toBe("web version 1\n");
    expect(await page(project.ports.api)).toBe("api version 1\n");
  });

  it("carries an edit through one build, one load and one rollout, and leaves the other image alone", async () => {
    const since = devloop.mark();
    const before = await api(cluster).pods(project.namespace);
    await project.write("web/www/index.html", "web version 2\n");
    await until(async () => (await page(project.ports.web)) === "web version 2\n", "the new page");
    await devloop.ready({ since });
    for (const id of ["build:web", "load:web", deployId])
      expect([id, devloop.count("task.started", started(id), since)]).toEqual([id, 1]);
    for (const id of ["build:api", "load:api"])
      expect([id, devloop.count("task.started", started(id), since)]).toEqual([id, 0]);
    const uids = (app: string, pods: typeof before) =>
      pods.filter((pod) => pod.metadata.labels?.["app"] === app).map((pod) => pod.metadata.uid);
    const after = await until(async () => {
      const pods = await api(cluster).pods(project.namespace);
      return pods.length === 2 && pods;
    }, "the old pod to go");
    expect(uids("api", after)).toEqual(uids("api", before));
    expect(uids("web", after)).not.toEqual(uids("web", before));
  });

  it("does nothing for a save of equal bytes, whichever way it is saved", async () => {
    const since = devloop.mark();
    const path = join(project.root, "web/www/index.html");
    const text = await project.read("web/www/index.html");
    writeFileSync(path, text);
    await utimes(path, new Date(), new Date());
    const beside = join(project.root, "web/www/index.html~");
    writeFileSync(beside, text);
    renameSync(beside, path);
    // A real edit of the other image comes after it: once that one is through, the equal save was seen too.
    await project.write("api/www/index.html", "api version 2\n");
    await devloop.ready({ since });
    expect(devloop.count("task.started", build("web"), since)).toBe(0);
    expect(devloop.count("task.started", build("api"), since)).toBe(1);
  });

  it("notices a change of mode", async () => {
    const since = devloop.mark();
    await chmod(join(project.root, "web/start.sh"), 0o755);
    await devloop.waitFor("task.started", build("web"), { since });
    await devloop.ready({ since });
  });

  it("a newer edit aborts the build that it outdates, down to the daemon, and is what runs", async () => {
    const since = devloop.mark();
    // A time of its own for each run: a step that once ran to its end is cached.
    const seconds = `40.${Math.floor(Math.random() * 1e6)}`;
    await project.write("web/slow", `${seconds}\n`);
    await devloop.waitFor(
      "task.progress",
      (event) => event.id === "build:web" && event.progress.message.includes("sleep"),
      { since },
    );
    await project.writeAll({ "web/slow": "0\n", "web/www/index.html": "web version 3\n" });
    await devloop.waitFor("task.superseded", (event) => event.id === "build:web", { since });
    await until(async () => (await page(project.ports.web)) === "web version 3\n", "the newest page");
    expect(
      devloop.count("task.cancelled", (event: EventOf<"task.cancelled">) => event.id === "build:web", since),
    ).toBe(1);
    // Long before the step's own end.
    await until(async () => (await sleeping(seconds)).length === 0, "the step to end", 20_000);
    await devloop.ready({ since });
  });

  it("applies alone when a patch, a generator's input or a base file changes", async () => {
    for (const [path, from, to] of [
      ["k8s/overlays/dev/patch.yaml", 'patched: "no"', 'patched: "yes"'],
      ["k8s/overlays/dev/settings.env", "red", "blue"],
      ["k8s/base/extra.yaml", '"1"', '"2"'],
    ] as const) {
      const since = devloop.mark();
      await project.edit(path, from, to);
      await devloop.ready({ since });
      const ids = devloop.events
        .slice(since)
        .flatMap((event) => (event.type === "task.started" ? [event.id] : []));
      expect([path, ids.sort()]).toEqual([path, [deployId, "render:k8s/overlays/dev"]]);
    }
    await until(async () => {
      const pods = await api(cluster).pods(project.namespace);
      const web = pods.filter((pod) => pod.metadata.labels?.["app"] === "web");
      return web.length > 0 && web.every((pod) => pod.metadata.annotations?.["patched"] === "yes");
    }, "patched pods alone");
  });

  it("prunes what left the overlay, and nothing else", async () => {
    const inCluster = cluster.flavour !== "docker";
    const foreign = `/api/v1/namespaces/${project.namespace}/configmaps`;
    if (inCluster)
      await api(cluster).create(foreign, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "foreign" },
        data: {},
      });
    const since = devloop.mark();
    await project.edit("k8s/base/kustomization.yaml", ", extra.yaml", "");
    const event = await devloop.waitFor("task.succeeded", (each) => each.id === deployId, { since });
    await devloop.ready({ since });
    // Without a cluster a ConfigMap is nothing that would stay.
    expect(event.output).toMatchObject({ pruned: inCluster ? ["ConfigMap/extra"] : [] });
    if (!inCluster) return;
    expect(await api(cluster).get(`${foreign}/extra`)).toBeUndefined();
    expect(await api(cluster).get(`${foreign}/foreign`)).toBeDefined();
  });

  it("takes an edit of devloop.yaml up without a restart, and only what it changes", async () => {
    const since = devloop.mark();
    await project.edit("devloop.yaml", "context: api", "context: api\n    labels: { flavour: new }");
    await devloop.ready({ since });
    expect(devloop.count("task.started", build("api"), since)).toBe(1);
    expect(devloop.count("task.started", build("web"), since)).toBe(0);
  });

  it("keeps the last good config while an edit is broken, and says where", async () => {
    const since = devloop.mark();
    await project.edit("devloop.yaml", "forwards:", "forwads:");
    const { failure } = await devloop.waitFor("config.failed", undefined, { since });
    expect(failure.message).toMatch(
      /devloop\.yaml:\d+:\d+ unknown key "forwads" — did you mean "forwards"\?/,
    );
    expect(await page(project.ports.web)).toBe("web version 3\n");
    await project.edit("devloop.yaml", "forwads:", "forwards:");
    await devloop.waitFor("config.loaded", undefined, { since });
  });

  it("up again on what is deployed builds nothing and restarts no pod", async () => {
    // On the engine a pod on its way out cannot be told from one that stays.
    const before = await until(async () => {
      const uids = (await api(cluster).pods(project.namespace)).map((pod) => pod.metadata.uid).sort();
      return uids.length === 2 && uids;
    }, "two pods");
    expect(await devloop.stop()).toBe(130);
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    const builds = devloop.events.flatMap((event) =>
      event.type === "task.succeeded" && event.output.kind === "build" ? [event.output] : [],
    );
    expect(builds.map((output) => output.remembered)).toEqual([true, true]);
    const deploy = await devloop.waitFor("task.succeeded", (event) => event.id === deployId);
    expect(deploy.output).toMatchObject({ created: 0, changed: 0 });
    expect((await api(cluster).pods(project.namespace)).map((pod) => pod.metadata.uid).sort()).toEqual(
      before,
    );
  });

  it("a deleted pod comes back, and the page with it", async () => {
    const pods = await api(cluster).pods(project.namespace);
    const web = pods.find((pod) => pod.metadata.labels?.["app"] === "web")!;
    await api(cluster).remove(`/api/v1/namespaces/${project.namespace}/pods/${web.metadata.name}`);
    expect(await until(() => page(project.ports.web), "the page")).toBe("web version 3\n");
  });

  it("renders what is applied, with the images that are built", async () => {
    const { code, stdout } = await runToEnd({ cluster, cwd: project.root, args: ["render"] });
    expect(code).toBe(0);
    expect(stdout).toMatch(/image: web:devloop-[0-9a-f]{16}/);
  });

  it("explains what a change of a path does", async () => {
    const { stdout } = await runToEnd({
      cluster,
      cwd: project.root,
      args: ["explain", "web/www/index.html", "k8s/base/web.yaml"],
    });
    expect(stdout).toContain("image web: rebuild");
    expect(stdout).toContain("deploy k8s/overlays/dev: render");
  });

  it("down removes what was deployed, and only that; its dry run removes nothing", async () => {
    await devloop.stop();
    const dry = await runToEnd({ cluster, cwd: project.root, args: ["down", "--dry-run"] });
    expect(dry.stdout).toContain("would remove Deployment/web");
    await until(async () => (await api(cluster).pods(project.namespace)).length === 2, "both pods");
    const down = await runToEnd({ cluster, cwd: project.root, args: ["down"] });
    expect(down).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(
        cluster.flavour === "docker" ? "removed Deployment/web" : `kept Namespace/${project.namespace}`,
      ),
    });
    expect(await api(cluster).pods(project.namespace)).toEqual([]);
    if (cluster.flavour === "docker") return;
    expect(
      await api(cluster).get(`/api/v1/namespaces/${project.namespace}/configmaps/foreign`),
    ).toBeDefined();
  });
});

describe.each(someTargets)("the very first build on %s", (_name, target) => {
  it("an edit during it is not lost: it is what is served in the end", async () => {
    const cluster = target();
    await using project = await scratchProject(cluster, "first");
    await project.write("web/slow", `30.${Math.floor(Math.random() * 1e6)}\n`);
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.waitFor(
      "task.progress",
      (event) => event.id === "build:web" && event.progress.message.includes("sleep"),
    );
    await project.writeAll({ "web/www/index.html": "web edited at once\n", "web/slow": "0\n" });
    await devloop.ready();
    expect(await page(project.ports.web)).toBe("web edited at once\n");
  });
});

describe.each(someTargets)("devloop run on %s", (_name, target) => {
  it("builds, loads, applies, waits until ready and exits 0; 1 when it does not work", async () => {
    const cluster = target();
    await using project = await scratchProject(cluster, "run");
    const good = await runToEnd({ cluster, cwd: project.root, args: ["run", "--timeout", "4m"] });
    expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/ready in/) });
    await project.edit("web/Dockerfile", "COPY www", "COPY wwww");
    const bad = await runToEnd({ cluster, cwd: project.root, args: ["run", "--timeout", "4m"] });
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain("wwww");
  });
});
