import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PodSummary } from "../../src/engine/state.js";
import { anyCluster, api, isCluster, k3d, shell, someTargets, type TestCluster } from "./clusters.js";
import { containerOf } from "./containers.js";
import { page, runToEnd, start, until, type EventOf, type Running } from "./devloop.js";
import { relayTo, type Relay } from "./relay.js";
import { scratchProject, type Scratch } from "./scratch.js";

// What docs/errors.md says of each fault, seen happen: the message, the loop alive, and well again by itself once the
// cause is gone.

const deployId = "deploy:k8s/overlays/dev";
const renderId = "render:k8s/overlays/dev";

/** What a test does between the fault and its end, in the words of the table. */
interface Scene {
  readonly cluster: TestCluster;
  readonly project: Scratch;
  readonly devloop: Running;
}

function failureOf({ devloop }: Scene, id: string, code: string, since: number) {
  return devloop
    .waitFor("task.failed", (event) => event.id === id && event.failure.code === code, { since })
    .then((event) => event.failure);
}

function causeOf({ devloop, project }: Scene, name: string, since: number) {
  const id = `Deployment/${project.namespace}/${name}`;
  return devloop
    .waitFor(
      "workload.changed",
      (event) => event.id === id && event.health.status === "failed" && event.health.cause !== undefined,
      { since },
    )
    .then((event) => event.health.cause!);
}

/** An edit of the web page, and that page on the forwarded port: the whole way works. */
async function carriesAnEdit({ project, devloop }: Scene, text: string): Promise<void> {
  const since = devloop.mark();
  await project.write("web/www/index.html", `${text}\n`);
  await devloop.ready({ since });
  expect(await page(project.ports.web)).toBe(`${text}\n`);
}

/** After an outage a connection may still be refused for a moment. */
async function serves(port: number, text: string): Promise<void> {
  await until(async () => (await page(port)) === text, `the page ${text}`);
}

describe.each(someTargets)("faults while the loop runs on %s", (_name, target) => {
  let scene: Scene;
  let relay: Relay;
  let squatter: Server;
  let kubeconfig: string;

  beforeAll(async () => {
    const cluster = target();
    const project = await scratchProject(cluster, "faults");
    // Another program has the port that api wants.
    squatter = await listenOn(project.ports.api);
    relay = await relayTo("/var/run/docker.sock");
    kubeconfig =
      cluster.flavour === "docker"
        ? cluster.kubeconfig
        : await withForeignContext(cluster, `${project.root}/.kubeconfig`);
    const devloop = start({
      cluster,
      cwd: project.root,
      env: { DOCKER_HOST: relay.address, KUBECONFIG: kubeconfig },
    });
    scene = { cluster, project, devloop };
    await devloop.ready();
  });
  afterAll(async () => {
    await scene.devloop.stop();
    squatter.close();
    await relay[Symbol.asyncDispose]();
    await scene.project[Symbol.asyncDispose]();
  });

  describe("a port that is taken", () => {
    it("the next free one is used, and said", async () => {
      const { devloop, project } = scene;
      const event = await devloop.waitFor("forward.changed", (each) => {
        return each.id === `service/api:80` && each.state.status === "listening" && each.serving;
      });
      if (event.state.status !== "listening") throw new Error("not listening");
      expect(event.state).toMatchObject({ moved: true });
      expect(event.state.port).toBeGreaterThan(project.ports.api);
      expect(await page(event.state.port)).toBe("api version 1\n");
    });

    it("strict: an error that names it, and bound by itself once it is free", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      await project.edit(
        "devloop.yaml",
        `local: ${project.ports.api}, remote: 80`,
        `local: ${project.ports.api}, remote: 80, strict: true`,
      );
      const event = await devloop.waitFor("forward.changed", (each) => each.state.status === "failed", {
        since,
      });
      expect(event.state).toMatchObject({
        failure: {
          code: "PORT_TAKEN",
          message: expect.stringContaining(`127.0.0.1:${project.ports.api} is taken by `),
        },
      });
      squatter.close();
      expect(await until(() => page(project.ports.api), "the page on the freed port")).toBe(
        "api version 1\n",
      );
    });
  });

  describe("a broken Dockerfile", () => {
    it.each([
      [
        "does not parse",
        "RUN sleep",
        "RAN sleep",
        "DOCKERFILE_INVALID",
        /Dockerfile:3: unknown instruction: RAN/,
      ],
      [
        "fails in a step",
        "COPY www /www",
        "RUN echo no luck; exit 7",
        "BUILD_FAILED",
        /step "RUN echo no luck; exit 7" failed \(exit code 7\) at .*Dockerfile:4/,
      ],
      ["copies what is not there", "COPY www /www", "COPY wwww /www", "BUILD_FAILED", /Dockerfile:4.*wwww/],
      [
        "names a base image that is not to be had",
        "FROM busybox:1",
        "FROM registry.invalid/none:1",
        "BASE_IMAGE_MISSING",
        /registry\.invalid\/none:1/,
      ],
    ] as const)("%s", async (_what, from, to, code, words) => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      await project.edit("web/Dockerfile", from, to);
      const failure = await failureOf(scene, "build:web", code, since);
      expect(failure.message).toMatch(words);
      if (code === "BUILD_FAILED" && to.startsWith("RUN")) expect(failure.detail).toContain("no luck");
      expect(await page(project.ports.web)).toBe("web version 1\n");
      const healed = devloop.mark();
      await project.edit("web/Dockerfile", to, from);
      await devloop.ready({ since: healed });
    });

    it("is gone, and comes back", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      const text = await project.read("web/Dockerfile");
      await project.remove("web/Dockerfile");
      const failure = await failureOf(scene, "build:web", "DOCKERFILE_INVALID", since);
      expect(failure.message).toMatch(/there is no Dockerfile at .*web\/Dockerfile/);
      const healed = devloop.mark();
      await project.write("web/Dockerfile", text);
      await devloop.ready({ since: healed });
    });
  });

  describe("an overlay", () => {
    it("whose YAML is broken", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      await project.edit("k8s/overlays/dev/patch.yaml", "spec:", "spec: [");
      const failure = await failureOf(scene, renderId, "RENDER_FAILED", since);
      expect(failure.message).toMatch(/k8s\/overlays\/dev\/patch\.yaml:\d+:\d+: /);
      expect(await page(project.ports.web)).toBe("web version 1\n");
      const healed = devloop.mark();
      await project.edit("k8s/overlays/dev/patch.yaml", "spec: [", "spec:");
      await devloop.ready({ since: healed });
    });

    it("that misses a file, until it is there again", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      const text = await project.read("k8s/overlays/dev/patch.yaml");
      await project.remove("k8s/overlays/dev/patch.yaml");
      const failure = await failureOf(scene, renderId, "RENDER_FAILED", since);
      expect(failure.message).toContain("patch.yaml");
      const healed = devloop.mark();
      await project.write("k8s/overlays/dev/patch.yaml", text);
      await devloop.ready({ since: healed });
    });

    it("that the server refuses", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      await project.edit("k8s/base/web.yaml", "replicas: 1", "replicas: many");
      const failure = await failureOf(scene, deployId, "APPLY_FAILED", since);
      expect(failure.message).toMatch(/Deployment\/web.*replicas/);
      const healed = devloop.mark();
      await project.edit("k8s/base/web.yaml", "replicas: many", "replicas: 1");
      await devloop.ready({ since: healed });
    });

    it("with an image of somebody else's that cannot be pulled", async () => {
      const { devloop, project } = scene;
      const since = devloop.mark();
      const text = await project.read("k8s/base/extra.yaml");
      await project.write("k8s/base/extra.yaml", `${text}---\n${foreignWorkload}`);
      const cause = await causeOf(scene, "foreign", since);
      expect(cause).toMatchObject({
        reason: "ImagePull",
        message: expect.stringMatching(/^image registry\.invalid\/none:1 cannot be pulled: /),
      });
      const healed = devloop.mark();
      await project.write("k8s/base/extra.yaml", text);
      await devloop.ready({ since: healed });
    });
  });

  it("an image name that no manifest uses: said with the names that stand there", async () => {
    const { devloop, project } = scene;
    const since = devloop.mark();
    await project.edit("devloop.yaml", "  api:\n", "  apii:\n");
    const failure = await failureOf(scene, "load:apii", "IMAGE_NOT_USED", since);
    expect(failure.message).toContain("apii");
    expect(`${failure.message}\n${failure.hint}\n${failure.detail}`).toMatch(/\bapi\b[^]*\bweb\b/);
    const healed = devloop.mark();
    await project.edit("devloop.yaml", "  apii:\n", "  api:\n");
    await devloop.ready({ since: healed });
  });

  it("a crash loop: the exit code and the last lines, while the version before serves on", async () => {
    const { devloop, project } = scene;
    const since = devloop.mark();
    const text = await project.read("web/start.sh");
    // All on one stream: of two, the runtime may keep the second's line first.
    await project.write("web/start.sh", "exec >&2\necho starting\necho 'no database at db:5432'\nexit 3\n");
    const cause = await causeOf(scene, "web", since);
    expect(cause.message).toContain("container web exited with code 3");
    expect(["Exited", "CrashLoop"]).toContain(cause.reason);
    await devloop.waitFor(
      "workload.changed",
      ({ health }) => health.cause?.lines.join("\n") === "starting\nno database at db:5432",
      { since },
    );
    expect(await page(project.ports.web)).toBe("web version 1\n");
    const healed = devloop.mark();
    await project.write("web/start.sh", text);
    await devloop.ready({ since: healed });
  });

  it("a pod that somebody deletes", async () => {
    const { cluster, devloop, project } = scene;
    const since = devloop.mark();
    // That of the rollout before may not be on its way out yet.
    const web = await until(async () => {
      const pods = await api(cluster).pods(project.namespace);
      const found = pods.filter((pod) => pod.metadata.labels?.["app"] === "web");
      return found.length === 1 && found[0];
    }, "one pod of web");
    await api(cluster).remove(`/api/v1/namespaces/${project.namespace}/pods/${web.metadata.name}`);
    const isWeb = ({ id }: EventOf<"workload.changed">): boolean =>
      id === `Deployment/${project.namespace}/web`;
    const lost = await devloop.waitFor(
      "workload.changed",
      (event) => isWeb(event) && event.health.status !== "ready",
      { since },
    );
    // Without a cluster the pod itself is put back; in one another comes, while this one may still be on its way out.
    const isBack = ({ ready, name }: Pick<PodSummary, "ready" | "name">): boolean =>
      ready && (name === web.metadata.name) === !isCluster(target);
    await devloop.waitFor(
      "workload.changed",
      (event) => isWeb(event) && event.health.status === "ready" && event.health.pods.some(isBack),
      { since: devloop.events.indexOf(lost) },
    );
    expect(await page(project.ports.web)).toBe("web version 1\n");
    expect(devloop.count("task.started", undefined, since)).toBe(0);
  });

  // There are no contexts without a cluster.
  if (isCluster(target))
    it("a context that is pointed elsewhere: this session stays where it is", async () => {
      await shell("sed", "-i", "s/^current-context:.*/current-context: elsewhere/", kubeconfig);
      await carriesAnEdit(scene, "web while the context is elsewhere");
    });

  it("an engine that stops in a build: said once, and what was edited meanwhile is built by itself later", async () => {
    const { devloop, project } = scene;
    const before = await page(project.ports.web);
    const since = devloop.mark();
    await project.write("web/slow", `30.${Math.floor(Math.random() * 1e6)}\n`);
    await devloop.waitFor(
      "task.progress",
      (event) => event.id === "build:web" && event.progress.message.includes("sleep"),
      { since },
    );
    await relay.cut();
    const { failure } = await devloop.waitFor("service.down", ({ service }) => service === "engine", {
      since,
    });
    expect(failure).toMatchObject({
      code: "ENGINE_UNREACHABLE",
      message: expect.stringContaining(relay.address),
    });
    const seen = devloop.mark();
    await project.writeAll({ "web/slow": "0\n", "web/www/index.html": "web after the engine\n" });
    await devloop.waitFor("sources.changed", undefined, { since: seen });
    expect(await page(project.ports.web)).toBe(before);
    await relay.restore();
    await until(
      async () => (await page(project.ports.web)) === "web after the engine\n",
      "the page edited while the engine was away",
    );
    await devloop.ready({ since: seen });
    const downs = (event: EventOf<"service.down">) => event.service === "engine";
    expect(devloop.count("service.down", downs, since)).toBe(1);
  });

  // Without a cluster a workload is its containers, which come back by themselves.
  if (isCluster(target))
    it("a workload that somebody deletes: said, and the next edit puts it back", async () => {
      const { cluster, devloop, project } = scene;
      const since = devloop.mark();
      const path = `/apis/apps/v1/namespaces/${project.namespace}/deployments/api`;
      await api(cluster).remove(path);
      const gone = await devloop.waitFor("workload.changed", ({ health }) => health.status === "gone", {
        since,
      });
      expect(gone.id).toBe(`Deployment/${project.namespace}/api`);
      await carriesAnEdit(scene, "web beside a new api");
      expect(await api(cluster).get(path)).toBeDefined();
    });
});

// A cluster's API server and nodes are what only a cluster has.
describe.skipIf(k3d === undefined)("faults of the cluster itself", () => {
  let scene: Scene;

  beforeAll(async () => {
    const cluster = k3d!;
    const project = await scratchProject(cluster, "outage");
    await project.write("api/start.sh", ticking(await project.read("api/start.sh")));
    scene = { cluster, project, devloop: start({ cluster, cwd: project.root }) };
    await scene.devloop.ready();
  });
  afterAll(async () => {
    await scene.devloop.stop();
    await scene.project[Symbol.asyncDispose]();
  });

  it("an API server that restarts: what was edited meanwhile gets through, and no log line is lost or twice", async () => {
    const { cluster, devloop, project } = scene;
    const since = devloop.mark();
    await shell("docker", "exec", cluster.node, "pkill", "-KILL", "kube-apiserver");
    await project.write("web/www/index.html", "web after the API server\n");
    const { failure } = await devloop.waitFor("service.down", ({ service }) => service === "cluster", {
      since,
    });
    expect(failure.code).toBe("CLUSTER_UNREACHABLE");
    await devloop.waitFor("service.up", ({ service }) => service === "cluster", { since });
    await devloop.ready({ since });
    await serves(project.ports.web, "web after the API server\n");
    await serves(project.ports.api, "api version 1\n");
    const mark = devloop.mark();
    await devloop.waitFor("log.line", ({ text }) => text.startsWith("tick "), { since: mark });
    const numbers = ticks(devloop, await podOf(scene, "api"));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it("a node that restarts: all comes back by itself", async () => {
    const { cluster, devloop, project } = scene;
    const since = devloop.mark();
    await shell("docker", "stop", "-t", "2", cluster.node);
    await devloop.waitFor("service.down", ({ service }) => service === "cluster", { since });
    await shell("docker", "start", cluster.node);
    await devloop.waitFor("service.up", ({ service }) => service === "cluster", { since });
    await serves(project.ports.web, "web after the API server\n");
    await until(() => page(project.ports.api), "the other page after the restart");
    await carriesAnEdit(scene, "web after the node");
    const mark = devloop.mark();
    await devloop.waitFor("log.line", ({ text }) => text.startsWith("tick "), { since: mark });
  });
});

// What an API server's outage is to a cluster, the engine's is without one: all that watches the pods goes with it.
describe.each(someTargets.slice(1))("faults of the engine on %s", (_name, target) => {
  it("one that is away: what was edited meanwhile gets through, no pod is started anew, and no log line is lost or twice", async () => {
    const cluster = target();
    await using project = await scratchProject(cluster, "away");
    await project.write("api/start.sh", ticking(await project.read("api/start.sh")));
    await using relay = await relayTo("/var/run/docker.sock");
    await using devloop = start({ cluster, cwd: project.root, env: { DOCKER_HOST: relay.address } });
    await devloop.ready();
    const { id, pod } = await containerOf(cluster, project.namespace, "api");
    const nextTick = (since: number) =>
      devloop.waitFor("log.line", ({ text }) => text.startsWith("tick "), { since });
    await nextTick(devloop.mark());
    const since = devloop.mark();
    await relay.cut();
    await devloop.waitFor("service.down", ({ service }) => service === "engine", { since });
    await project.write("web/www/index.html", "web after the engine\n");
    await devloop.waitFor("sources.changed", undefined, { since });
    expect(await page(project.ports.api)).toBe("api version 1\n");
    await relay.restore();
    await devloop.waitFor("service.up", ({ service }) => service === "engine", { since });
    await devloop.ready({ since });
    expect(await page(project.ports.web)).toBe("web after the engine\n");
    await nextTick(devloop.mark());
    expect((await containerOf(cluster, project.namespace, "api")).id).toBe(id);
    const numbers = ticks(devloop, pod);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });
});

// Before anything is asked where the containers run: on one target as on the other.
describe("faults at the start", () => {
  it("ends with 2 and says where: broken YAML, an unknown key, a file that is not there, a context that is not local", async () => {
    const cluster = anyCluster();
    await using project = await scratchProject(cluster, "refused");
    const kubeconfig = await withForeignContext(cluster, `${project.root}/.kubeconfig`);
    const text = await project.read("devloop.yaml");
    const up = async (broken: string) => {
      await project.write("devloop.yaml", broken);
      const env = { KUBECONFIG: kubeconfig };
      return runToEnd({ cluster, cwd: project.root, args: ["up"], env });
    };
    for (const [broken, words] of [
      [text.replace("images:", "images: ["), /devloop\.yaml:\d+:\d+/],
      [text.replace("images:", "image:"), /devloop\.yaml:5:1 unknown key "image" — did you mean "images"\?/],
      [
        text.replace("context: web", "context: wep"),
        /devloop\.yaml:7:14 .*there is no directory wep — did you mean web\?/,
      ],
      [
        text.replace("cluster:\n", "cluster:\n  provider: context\n  context: elsewhere\n"),
        /elsewhere[^]*allow: \[elsewhere\]/,
      ],
    ] as const) {
      const ended = await up(broken);
      expect(ended.stderr).toMatch(words);
      expect([words, ended.code]).toEqual([words, 2]);
    }
  });
});

const foreignWorkload = `apiVersion: apps/v1
kind: Deployment
metadata: { name: foreign }
spec:
  selector: { matchLabels: { app: foreign } }
  template:
    metadata: { labels: { app: foreign } }
    spec: { containers: [{ name: foreign, image: "registry.invalid/none:1" }] }
`;

/** A copy of the cluster's kubeconfig that also has the context `elsewhere`, of a server that is not local. */
async function withForeignContext(cluster: TestCluster, path: string): Promise<string> {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  // An address for documentation: nothing can be there.
  config.addCluster({ name: "elsewhere", server: "https://203.0.113.10:6443", skipTLSVerify: false });
  config.addContext({ name: "elsewhere", cluster: "elsewhere", user: "elsewhere" });
  config.addUser({ name: "elsewhere", token: "none" });
  const { stringify } = await import("yaml");
  await writeFile(path, stringify(JSON.parse(config.exportConfig())), { mode: 0o600 });
  return path;
}

async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function podOf({ cluster, project }: Scene, app: string): Promise<string> {
  const pods = await api(cluster).pods(project.namespace);
  return pods.find((pod) => pod.metadata.labels?.["app"] === app)!.metadata.name;
}

/** A start with a line every quarter of a second beside it: what is lost or said twice shows. */
function ticking(script: string): string {
  return `(n=0; while sleep 0.25; do n=$((n+1)); echo "tick $n"; done) &\n${script}`;
}

function ticks({ events }: Running, pod: string): number[] {
  return events.flatMap((event) =>
    event.type === "log.line" && event.pod === pod && event.text.startsWith("tick ")
      ? [Number(event.text.slice(5))]
      : [],
  );
}
