import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anyCluster, api, type TestCluster } from "./clusters.js";
import {
  containerOf,
  containersOf,
  differences,
  inContainer,
  treeHere,
  treeIn,
  type LiveContainer,
} from "./containers.js";
import { page, runToEnd, start, until, type EventOf, type Running } from "./devloop.js";
import { link, syncProject, webDockerfile, webStart, type SyncProject } from "./sync-project.js";

const nodeServer = `const http = require("http");
const text = require("./text.js");
const started = process.hrtime.bigint();
http.createServer((_, answer) => answer.end(text + " " + process.argv[2] + " " + started + "\\n")).listen(8080);
process.on("SIGTERM", () => process.exit(0));
`;
const pyServer = `import http.server, time, os
from text import TEXT
STARTED = time.monotonic_ns()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{TEXT} {os.getuid()} {STARTED}\\n".encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
`;
/** Fails where any of its sources says so. */
const make = `cd /work && if grep -rq broken src; then echo "no luck in $(pwd)" >&2; exit 3; fi
cat src/*.txt > out.txt && echo made it
`;

/** What a user of another id than root may write, in an image whose files are root's. */
const emptyDir = { name: "app", emptyDir: {} };

const spec = {
  images: {
    web: `    sync: [{ src: www, dest: /www }]\n    rebuild: ["www/version.txt"]`,
    bare: `    sync: [{ src: www, dest: /www }]`,
    node: `    sync: [{ src: app, dest: /app, then: restart }]`,
    py: `    sync: [{ src: app, dest: /app, then: restart }]`,
    tool: `    sync:
      - { src: src, dest: /work/src, then: { exec: "sh ./make.sh", workdir: /work, when: ["**/*.txt"] } }`,
    fixed: `    sync: [{ src: www, dest: /www }]`,
    owned: `    sync: [{ src: www, dest: /www }]`,
  },
  apps: [
    {
      name: "web",
      image: "web",
      serves: true,
      replicas: 2,
      containers: [{ name: "second", image: "web", command: ["sleep", "1d"] }],
      pod: {
        initContainers: [
          {
            name: "first",
            image: "web",
            command: ["cp", "/www/index.html", "/began/index.html"],
            volumeMounts: [{ name: "began", mountPath: "/began" }],
          },
        ],
        volumes: [{ name: "began", emptyDir: {} }],
      },
      container: { volumeMounts: [{ name: "began", mountPath: "/began" }] },
    },
    { name: "bare", image: "bare", serves: true },
    { name: "node", image: "node", serves: true },
    {
      name: "locked",
      image: "node",
      serves: true,
      pod: {
        securityContext: { runAsUser: 1000, runAsNonRoot: true, fsGroup: 1000 },
        initContainers: [
          {
            name: "seed",
            image: "node",
            command: ["cp", "-r", "/app/.", "/seed"],
            volumeMounts: [{ name: "app", mountPath: "/seed" }],
          },
        ],
        volumes: [emptyDir],
      },
      container: {
        env: [{ name: "WORD", value: "locked" }],
        command: ["node"],
        args: ["/app/server.js", "$(WORD)"],
        securityContext: { readOnlyRootFilesystem: true },
        volumeMounts: [{ name: "app", mountPath: "/app" }],
      },
    },
    { name: "py", image: "py", serves: true },
    { name: "tool", image: "tool", container: { command: ["sleep", "1d"] } },
    {
      name: "fixed",
      image: "fixed",
      serves: true,
      container: { securityContext: { readOnlyRootFilesystem: true } },
    },
    { name: "owned", image: "owned", serves: true, pod: { securityContext: { runAsUser: 1000 } } },
  ],
  files: {
    ...web("web"),
    "web/.dockerignore": "**/*.tmp\n",
    "web/www/version.txt": "1\n",
    "bare/Dockerfile": `FROM scratch
COPY --from=busybox:1 /bin/busybox /httpd
COPY www /www
CMD ["/httpd", "-f", "-p", "8080", "-h", "/www"]
`,
    "bare/www/index.html": "bare 1\n",
    "node/Dockerfile": `FROM node:20-bookworm-slim\nCOPY app /app\nENTRYPOINT ["node", "/app/server.js"]\nCMD ["$(WORD)"]\n`,
    "node/app/server.js": nodeServer,
    "node/app/text.js": `module.exports = "node 1";\n`,
    "py/Dockerfile": `FROM python:3.11-slim-bookworm\nCOPY --chown=1000:1000 app /app\nUSER 1000:1000\nENV PYTHONDONTWRITEBYTECODE=1\nCMD python3 /app/server.py || exit $?\n`,
    "py/app/server.py": pyServer,
    "py/app/text.py": `TEXT = "py 1"\n`,
    "tool/Dockerfile": `FROM debian:bookworm-slim\nCOPY make.sh /work/make.sh\nCOPY src /work/src\n`,
    "tool/make.sh": make,
    "tool/src/a.txt": "a 1\n",
    "tool/src/notes.md": "notes 1\n",
    ...web("fixed"),
    ...web("owned"),
  },
};

function web(name: string): Record<string, string> {
  return {
    [`${name}/Dockerfile`]: webDockerfile,
    [`${name}/start.sh`]: webStart,
    [`${name}/www/index.html`]: `${name} 1\n`,
  };
}

describe("files that are synced", () => {
  let cluster: TestCluster;
  let project: SyncProject;
  let devloop: Running;

  beforeAll(async () => {
    cluster = anyCluster();
    project = await syncProject(cluster, "sync", spec);
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  const at = (path: string): string => join(project.root, path);
  const containers = (app: string): Promise<readonly LiveContainer[]> =>
    containersOf(cluster, project.namespace, app);
  const only = (app: string): Promise<LiveContainer> => containerOf(cluster, project.namespace, app);
  const seen = (app: string, matches: (text: string) => boolean): Promise<string> =>
    until(async () => {
      const text = await page(project.port(app));
      return matches(text) && text;
    }, `the page of ${app}`);
  const synced = (image: string, since: number): Promise<EventOf<"task.succeeded">> =>
    devloop.waitFor("task.succeeded", ({ id }) => id === `sync:${image}`, { since });
  const builds = (since: number): readonly string[] =>
    devloop.events
      .slice(since)
      .flatMap((event) => (event.type === "task.started" && event.kind === "build" ? [event.subject] : []));

  /** The files whose changes an event tells of. */
  const told = ({ changes }: EventOf<"sources.changed">): readonly string[] =>
    changes.flatMap(({ changed }) => changed);

  /** What is to be in /www of a container beside what is here: its image's own. */
  async function expectSame(image: string, list: readonly LiveContainer[], own = "own.txt"): Promise<void> {
    const here = { ...(await treeHere(at(`${image}/www`))) };
    for (const container of list) {
      await until(async () => {
        const { [own]: mine, ...there } = await treeIn(cluster, container, "/www");
        if (image !== "bare") expect(mine).toMatch(/^file 0 /);
        expect(differences(here, there)).toEqual({});
        return true;
      }, `the files of ${image} in ${container.pod}/${container.name}`);
    }
  }

  describe.each(["web", "bare"])("in %s", (app) => {
    it("are served after a save, in the same containers, without a build or a rollout", async () => {
      const before = await containers(app);
      const since = devloop.mark();
      await project.write(`${app}/www/index.html`, `${app} 2\n`);
      await seen(app, (text) => text === `${app} 2\n`);
      const { output } = await synced(app, since);
      expect(output).toMatchObject({
        kind: "sync",
        containers: before.map(() => ({ written: 1, removed: 0, restarted: false, commands: 0 })),
      });
      await devloop.ready({ since });
      expect(builds(since)).toEqual([]);
      expect(devloop.count("task.started", ({ kind }: { kind: string }) => kind !== "sync", since)).toBe(0);
      expect(await containers(app)).toEqual(before);
      await expectSame(app, before);
    });

    it("take every change of the tree: new, deleted, renamed, modes, links, files that become directories", async () => {
      const list = await containers(app);
      const write = (path: string, text: string): Promise<void> => project.write(`${app}/www/${path}`, text);
      const www = (path: string): string => at(`${app}/www/${path}`);
      const since = devloop.mark();
      await write("new/deep/page.html", "deep\n");
      await write("swap", "a file\n");
      await write("turn/inside.txt", "in a directory\n");
      await write("run.sh", "#!/bin/sh\n");
      await chmod(www("run.sh"), 0o755);
      await link(project, "../index.html", `${app}/www/new/up.html`);
      await link(project, "nowhere/at all", `${app}/www/dangling`);
      await mkdir(www("empty"));
      await write("name with 'quotes' and spaces and ünïcödé.html", "odd name\n");
      await expectSame(app, list);
      await rm(www("swap"));
      await write("swap/now.txt", "a directory\n");
      await rm(www("turn"), { recursive: true });
      await write("turn", "now a file\n");
      await chmod(www("run.sh"), 0o644);
      await rm(www("new/up.html"));
      await write("new/up.html", "a file where a link was\n");
      await expectSame(app, list);
      await rename(www("new/deep"), www("moved"));
      await rename(www("index.html"), www("other.html"));
      await rename(www("other.html"), www("index.html"));
      await rm(www("new"), { recursive: true });
      await rm(www("empty"), { recursive: true });
      await rm(www("dangling"));
      await expectSame(app, list);
      await devloop.ready({ since });
      expect(builds(since)).toEqual([]);
      expect(await containers(app)).toEqual(list);
    });
  });

  it("leave alone what the container made itself, in directories that go here too", async () => {
    const container = await only("bare");
    await project.write("bare/www/shared/ours.txt", "ours\n");
    await until(
      async () => "shared/ours.txt" in (await treeIn(cluster, container, "/www")),
      "the file there",
    );
    await inContainer(
      cluster,
      container,
      "echo theirs > $root/www/shared/theirs.txt; echo x > $root/www/own.txt",
    );
    await project.remove("bare/www/shared");
    await until(async () => !("shared/ours.txt" in (await treeIn(cluster, container, "/www"))), "its end");
    expect(Object.keys(await treeIn(cluster, container, "/www"))).toEqual(
      expect.arrayContaining(["shared/theirs.txt", "own.txt"]),
    );
    await inContainer(cluster, container, "rm -r $root/www/shared $root/www/own.txt");
  });

  it("do nothing where .dockerignore leaves them out", async () => {
    const since = devloop.mark();
    await project.writeAll({ "web/www/draft.tmp": "not for anyone\n", "web/www/index.html": "web 3\n" });
    await seen("web", (text) => text === "web 3\n");
    const changed = devloop.events
      .slice(since)
      .flatMap((event) => (event.type === "sources.changed" ? told(event) : []));
    expect(changed).toEqual(["web/www/index.html"]);
    await project.remove("web/www/draft.tmp");
    await expectSame("web", await containers("web"));
  });

  describe.each([
    [
      "node",
      "node/app/text.js",
      (text: string) => `module.exports = "${text}";\n`,
      /^(.*) \$\(WORD\) \d+\n$/,
    ],
    ["locked", "node/app/text.js", (text: string) => `module.exports = "${text}";\n`, /^(.*) locked \d+\n$/],
    ["py", "py/app/text.py", (text: string) => `TEXT = "${text}"\n`, /^(.*) 1000 \d+\n$/],
  ] as const)("that restart the process of %s", (app, path, saying, words) => {
    const image = path.slice(0, path.indexOf("/"));

    it("are in force at once: a new process in the same container", async () => {
      const before = await only(app);
      const old = await page(project.port(app));
      expect(old).toMatch(words);
      const since = devloop.mark();
      await project.write(path, saying(`${app} again`));
      const text = await seen(app, (each) => each.startsWith(`${app} again `));
      expect(text).toMatch(words);
      const startOf = (each: string): bigint => BigInt(each.trim().split(" ").at(-1) ?? "");
      expect(startOf(text)).toBeGreaterThan(startOf(old));
      const { output, time } = await synced(image, since);
      const all = await containers(app);
      expect(output).toMatchObject({
        containers: expect.arrayContaining(
          all.map(({ pod }) => expect.objectContaining({ pod, restarted: true }) as unknown),
        ) as unknown,
      });
      const began = devloop.events
        .slice(since)
        .find((event) => event.type === "task.started" && event.id === `sync:${image}`);
      // It ends at SIGTERM, and was not waited for until SIGKILL.
      expect(Date.parse(time) - Date.parse(began?.time ?? "")).toBeLessThan(2_500);
      await devloop.ready({ since });
      expect(builds(since)).toEqual([]);
      expect(await only(app)).toMatchObject({
        id: before.id,
        podUid: before.podUid,
        restarts: before.restarts,
      });
    });

    it("let it start anew when somebody asks for it, in the same container", async () => {
      const before = await only(app);
      const startOf = (text: string): bigint => BigInt(text.trim().split(" ").at(-1) ?? "");
      const old = startOf(await page(project.port(app)));
      const { code, stderr } = await runToEnd({ cluster, cwd: project.root, args: ["restart", app] });
      expect([code, stderr]).toEqual([0, ""]);
      await seen(app, (text) => startOf(text) > old);
      expect(await only(app)).toMatchObject({
        id: before.id,
        podUid: before.podUid,
        restarts: before.restarts,
      });
    });

    it("crash it when they are broken, which is said, and heal it when they are mended", async () => {
      const before = await only(app);
      const since = devloop.mark();
      await project.write(path, "this is ( no program");
      const { process } = await devloop.waitFor(
        "process.crashed",
        (event) => event.process.pod === before.pod,
        { since },
      );
      expect(process).toMatchObject({ image, container: app, exitCode: 1 });
      await devloop.waitFor("loop.ended", ({ outcome }) => outcome === "failed", { since });
      const mended = devloop.mark();
      await project.write(path, saying(`${app} mended`));
      await seen(app, (text) => text.startsWith(`${app} mended `));
      await devloop.ready({ since: mended });
      expect(await only(app)).toMatchObject({ id: before.id, restarts: before.restarts });
    });
  });

  describe("that are made into something by a command", () => {
    const made = async (): Promise<string> =>
      inContainer(cluster, await only("tool"), "cat $root/work/out.txt");

    it("run it when one of its files changed, and only then", async () => {
      const since = devloop.mark();
      await project.write("tool/src/a.txt", "a 2\n");
      expect((await synced("tool", since)).output).toMatchObject({ containers: [{ commands: 1 }] });
      expect(await made()).toBe("a 2\n");
      expect(
        devloop.events.slice(since).flatMap((event) => (event.type === "task.output" ? event.lines : [])),
      ).toEqual(["made it"]);
      const next = devloop.mark();
      await project.write("tool/src/notes.md", "notes 2\n");
      expect((await synced("tool", next)).output).toMatchObject({
        containers: [{ written: 1, commands: 0 }],
      });
    });

    it("show what it printed when it fails, and run it with the next save", async () => {
      const since = devloop.mark();
      await project.write("tool/src/a.txt", "broken\n");
      const { failure } = await devloop.waitFor("task.failed", ({ id }) => id === "sync:tool", { since });
      expect(failure).toMatchObject({
        code: "SYNC_FAILED",
        message: expect.stringMatching(/^tool: sh -c sh \.\/make\.sh exited with 3 in tool-/) as string,
        detail: "no luck in /work",
      });
      await devloop.waitFor("loop.ended", ({ outcome }) => outcome === "failed", { since });
      const mended = devloop.mark();
      await project.write("tool/src/a.txt", "a 3\n");
      await devloop.ready({ since: mended });
      expect(await made()).toBe("a 3\n");
    });
  });

  it("come after the build where other files of the image changed with them", async () => {
    const before = await containers("web");
    const since = devloop.mark();
    const files = {
      "web/start.sh": `# another\n${webStart}`,
      "web/www/index.html": "web 4\n",
      "web/www/version.txt": "2\n",
    };
    // Paused until all of them are noticed: on a busy machine the last may come long after the first.
    const ask = async (name: "pause" | "resume"): Promise<void> => {
      const { code, stderr } = await runToEnd({ cluster, cwd: project.root, args: [name] });
      expect([code, stderr]).toEqual([0, ""]);
    };
    await ask("pause");
    await project.writeAll(files);
    for (const path of Object.keys(files))
      await devloop.waitFor("sources.changed", (event) => told(event).includes(path), { since });
    await ask("resume");
    await devloop.ready({ since });
    expect(builds(since)).toEqual(["web"]);
    // It is ready as soon as the new pods are; the last of the old ones ends after that.
    const now = await until(async () => {
      const list = await containers("web");
      return (
        list.length === before.length && !list.some(({ id }) => before.some((old) => old.id === id)) && list
      );
    }, "the new pods alone");
    await expectSame("web", now);
    expect(await page(project.port("web"))).toBe("web 4\n");
    // Whatever was written into the old containers, it was not half of the edit.
    const early = devloop.events
      .slice(since)
      .findIndex((e) => e.type === "task.succeeded" && e.id === "build:web");
    const writes = devloop.events
      .slice(since, since + early)
      .filter((event) => event.type === "task.succeeded" && event.id === "sync:web");
    expect(writes).toEqual([]);
  });

  it.each([
    ["fixed", /^fixed-\S+: \/www\/\S+ lies on a read-only file system$/],
    ["owned", /^owned-\S+: its user \(uid 1000\) may not write \/www\/\S+$/],
  ])("come with a new image where they cannot be written: %s", async (app, why) => {
    for (const round of [2, 3]) {
      const since = devloop.mark();
      await project.write(`${app}/www/index.html`, `${app} ${round}\n`);
      const { output } = await synced(app, since);
      expect(output).toMatchObject({ rebuild: expect.stringMatching(why) as string });
      await devloop.ready({ since });
      expect(builds(since)).toEqual([app]);
      await seen(app, (text) => text === `${app} ${round}\n`);
    }
    const since = devloop.mark();
    await project.remove(`${app}/www/index.html`);
    await project.writeAll({
      [`${app}/www/sub/index.html`]: "one\n",
      [`${app}/www/index.html`]: `${app} 4\n`,
    });
    await seen(app, (text) => text === `${app} 4\n`);
    await devloop.ready({ since });
    expect(builds(since).length).toBeLessThanOrEqual(3);
    await expectSame(app, [await only(app)]);
  });

  it("are in every container of a pod before it is served, of pods that come by a scale-up too", async () => {
    await project.write("web/www/index.html", "web 5\n");
    await seen("web", (text) => text === "web 5\n");
    const before = await containers("web");
    await api(cluster).patch(`/apis/apps/v1/namespaces/${project.namespace}/deployments/web/scale`, {
      spec: { replicas: 4 },
    });
    const answers = new Set<string>();
    const all = await until(async () => {
      for (let each = 0; each < 10; each += 1) answers.add(await page(project.port("web")));
      const list = await containers("web");
      return list.length === 8 && list.every(({ ready }) => ready) && list;
    }, "two more pods");
    for (let each = 0; each < 40; each += 1) answers.add(await page(project.port("web")));
    expect([...answers]).toEqual(["web 5\n"]);
    await expectSame("web", all);
    const came = all.filter(({ id, name }) => name === "web" && !before.some((each) => each.id === id));
    expect(came).toHaveLength(2);
    // What its init container, of the same image, found when it began.
    for (const each of came)
      expect(await inContainer(cluster, each, "cat $root/began/index.html")).toBe("web 5\n");
  });

  it("are there when a job of the image begins", async () => {
    const since = devloop.mark();
    await project.write("k8s/job.yaml", JSON.stringify(job));
    await devloop.waitFor("log.line", ({ text }) => text === "the job has web 5", { since });
    // What follows from the files, too: out.txt is not in the image.
    await devloop.waitFor("log.line", ({ text }) => text === "the job made a 3", { since });
    await devloop.ready({ since });
    expect(builds(since)).toEqual([]);
  });

  it("are brought after devloop was away, into the same containers; status --verify tells", async () => {
    await project.write("web/www/old.txt", "to go\n");
    await expectSame("web", await containers("web"));
    await devloop.stop();
    const before = await containers("web");
    await project.writeAll({ "web/www/index.html": "web 6\n", "web/www/meanwhile.txt": "new\n" });
    await project.remove("web/www/old.txt");
    const verify = (...args: string[]) =>
      runToEnd({ cluster, cwd: project.root, args: ["status", "--verify", ...args] });
    const away = await verify("--json");
    expect(away.code).toBe(1);
    expect(JSON.parse(away.stdout)).toMatchObject({
      synced: expect.arrayContaining([
        expect.objectContaining({
          image: "web",
          state: "different",
          paths: ["/www/index.html", "/www/meanwhile.txt", "/www/old.txt"],
        }),
      ]) as unknown,
    });
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    expect(
      devloop.count(
        "task.succeeded",
        ({ output }: EventOf<"task.succeeded">) => output.kind === "build" && !output.remembered,
      ),
    ).toBe(0);
    expect((await containers("web")).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(await page(project.port("web"))).toBe("web 6\n");
    await expectSame("web", before);
    const back = await verify();
    expect([back.code, back.stdout]).toEqual([0, expect.stringMatching(/web +web-\S+\/web +same/)]);
    await inContainer(cluster, before[0]!, "echo by hand >> $root/www/index.html");
    const changed = await verify();
    expect([changed.code, changed.stdout]).toEqual([
      1,
      expect.stringMatching(/different +\/www\/index\.html/),
    ]);
  });

  it("are in the image of devloop run, which adds nothing to the manifests", async () => {
    await devloop.stop();
    const ended = await runToEnd({ cluster, cwd: project.root, args: ["run"] });
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    for (const app of ["web", "node", "py"]) {
      const found = await api(cluster).get(
        `/apis/apps/v1/namespaces/${project.namespace}/deployments/${app}`,
      );
      expect(JSON.stringify(found?.["spec"])).not.toContain("devloop-agent");
      expect(JSON.stringify(found?.["spec"])).not.toContain("/.devloop");
    }
    const list = await until(async () => {
      const found = await containers("web");
      return found.length > 0 && found.every(({ image }) => image === found[0]?.image) && found;
    }, "the new pods alone");
    await expectSame("web", list);
  });
});

const job = {
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: "once" },
  spec: {
    backoffLimit: 0,
    template: {
      metadata: { labels: { app: "once" } },
      spec: {
        restartPolicy: "Never",
        containers: [
          { name: "once", image: "web", command: ["sh", "-c", "echo the job has $(cat /www/index.html)"] },
          { name: "made", image: "tool", command: ["sh", "-c", "echo the job made $(cat /work/out.txt)"] },
        ],
      },
    },
  },
};
