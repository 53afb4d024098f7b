import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { migrateCommand, type MigrateOptions } from "../../../src/commands/migrate.js";
import { sha256 } from "../../../src/lib/sha256.js";
import { scratchProject } from "../convert/projects.js";

const compose = `services:
  web:
    image: web:1
    ports: ["8080:80"]
    environment: {MODE: one, API_TOKEN: first}
  db:
    image: db:1
    volumes: ["data:/data"]
volumes: {data: }
`;

/** A project, and the command as it runs in it: what it prints, and its exit code. */
function project(files: Readonly<Record<string, string>> = { "compose.yaml": compose }) {
  const cwd = scratchProject(files);
  onTestFinished(() => {
    rmSync(cwd, { recursive: true });
  });
  return {
    cwd,
    read: (path: string) => readFileSync(join(cwd, path), "utf8"),
    write: (path: string, content: string) => {
      writeFileSync(join(cwd, path), content);
    },
    has: (path: string) => existsSync(join(cwd, path)),
    migrate: async (
      options: Partial<MigrateOptions> = {},
    ): Promise<{ readonly code: number; readonly text: string }> => {
      let text = "";
      const spy = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
        text += String(chunk);
        return true;
      });
      try {
        const code = await migrateCommand({
          cwd,
          env: {},
          files: [],
          out: undefined,
          overlays: [],
          profiles: [],
          dryRun: false,
          strict: false,
          force: false,
          waitInitContainers: false,
          probes: "readiness",
          hostMounts: false,
          networkPolicies: false,
          signal: new AbortController().signal,
          ...options,
        });
        return { code, text };
      } finally {
        spy.mockRestore();
      }
    },
  };
}

const web = "k8s/base/web/deployment.yaml";
const secrets = "k8s/overlays/dev/secrets/web-secrets.env";

describe("a second run", () => {
  it("keeps the name that came of the directory, in a clone that is called otherwise", async () => {
    const { migrate, cwd } = project();
    await migrate();
    const clone = `${cwd}-clone`;
    cpSync(cwd, clone, { recursive: true });
    onTestFinished(() => {
      rmSync(clone, { recursive: true });
    });
    expect((await migrate({ cwd: clone })).text).toMatch(/^nothing changed/);
    expect((await migrate({ cwd: clone, env: { COMPOSE_PROJECT_NAME: "other" } })).text).toContain(
      "updated  devloop.yaml",
    );
  });

  it("changes nothing when nothing changed", async () => {
    const { migrate, cwd } = project();
    await migrate();
    const before = statSync(join(cwd, web)).mtimeMs;
    expect((await migrate()).text).toMatch(/^nothing changed/);
    expect(statSync(join(cwd, web)).mtimeMs).toBe(before);
  });

  it("changes only what an edit of the compose file changes", async () => {
    const { migrate, write } = project();
    await migrate();
    write("compose.yaml", compose.replace("db:1", "db:2"));
    const { text } = await migrate();
    const changed = text.split("\n").flatMap((line) => /^updated +(\S+)/.exec(line)?.[1] ?? []);
    // The report names the images that are pulled.
    expect(changed).toEqual(["MIGRATION.md", "k8s/base/db/deployment.yaml"]);
  });

  it("leaves alone what a person edited", async () => {
    const { migrate, write, read } = project();
    await migrate();
    write(web, `# mine\n${read(web)}`);
    const { text } = await migrate();
    expect(text).toContain("was edited by hand: left as it is");
    expect(read(web)).toMatch(/^# mine/);
  });

  it("merges what both changed, where it is apart", async () => {
    const { migrate, write, read } = project();
    await migrate();
    write(web, read(web).replace("replicas: 1", "replicas: 7"));
    write("compose.yaml", compose.replace("web:1", "web:2"));
    expect((await migrate()).text).toMatch(/^merged +k8s\/base\/web\/deployment.yaml/m);
    expect(read(web)).toContain("replicas: 7");
    expect(read(web)).toContain("image: web:2");
    expect((await migrate()).text).not.toMatch(/^(merged|updated)/m);
    expect(read(web)).toContain("replicas: 7");
  });

  it("puts the new version beside a file where both changed the same", async () => {
    const { migrate, write, read } = project();
    await migrate();
    write(web, read(web).replace("image: web:1", "image: mine"));
    write("compose.yaml", compose.replace("web:1", "web:2"));
    await migrate();
    expect(read(web)).toContain("image: mine");
    expect(read(`${web}.new`)).toContain("image: web:2");
  });

  it("overwrites it when told to", async () => {
    const { migrate, write, read } = project();
    await migrate();
    write(web, "mine\n");
    await migrate({ force: true });
    expect(read(web)).toContain("image: web:1");
  });

  it("keeps a person's secret values, adds new ones, and makes them anew in a fresh clone", async () => {
    const { migrate, write, read, cwd } = project();
    await migrate();
    expect(statSync(join(cwd, secrets)).mode & 0o777).toBe(0o600);
    write(secrets, "API_TOKEN=mine\n");
    write("compose.yaml", compose.replace("API_TOKEN: first", "API_TOKEN: first, NEW_TOKEN: second"));
    await migrate();
    expect(read(secrets)).toBe("API_TOKEN=mine\nNEW_TOKEN=second\n");
    rmSync(join(cwd, secrets));
    await migrate();
    expect(read(secrets)).toBe("API_TOKEN=first\nNEW_TOKEN=second\n");
    expect(read("k8s/.devloop-migrate.json")).not.toContain("second");
  });

  it("removes what is gone from the compose file, unless it was edited", async () => {
    const { migrate, write, has } = project();
    await migrate();
    write("k8s/base/db/service.yaml", "mine\n");
    write("compose.yaml", "services: {web: {image: web:1}}\n");
    await migrate();
    expect(has("k8s/base/db/deployment.yaml")).toBe(false);
    expect(has("k8s/base/db/service.yaml")).toBe(true);
  });

  it("does not make again what a person deleted", async () => {
    const { migrate, has, cwd } = project();
    await migrate();
    rmSync(join(cwd, "k8s/base/web/service.yaml"));
    expect((await migrate()).text).toContain("was deleted by hand");
    expect(has("k8s/base/web/service.yaml")).toBe(false);
  });

  it("keeps the base of a merge until the new version beside the file is gone", async () => {
    const { migrate, write, read, has, cwd } = project();
    await migrate();
    const mine = read(web).replace("image: web:1", "image: mine");
    write(web, mine);
    write("compose.yaml", compose.replace("web:1", "web:2"));
    await migrate();
    // What waits in the new version would be lost by a merge that begins with it.
    write("compose.yaml", compose.replace("web:1", "web:2").replace("MODE: one", "EXTRA: two, MODE: one"));
    expect((await migrate()).text).toMatch(/^new version +k8s\/base\/web\/deployment.yaml.new/m);
    expect(read(web)).toBe(mine);
    expect(read(`${web}.new`)).toContain("image: web:2");
    rmSync(join(cwd, `${web}.new`));
    expect((await migrate()).text).not.toContain("new version");
    expect(has(`${web}.new`)).toBe(false);
    expect(read(web)).toBe(mine);
  });

  it("takes away the new version once the file is what is generated", async () => {
    const { migrate, write, read, has } = project();
    await migrate();
    write(web, read(web).replace("image: web:1", "image: mine"));
    write("compose.yaml", compose.replace("web:1", "web:2"));
    await migrate();
    write(web, read(`${web}.new`));
    await migrate();
    expect(has(`${web}.new`)).toBe(false);
    write(web, read(web).replace("image: web:2", "image: mine"));
    expect((await migrate()).text).toContain("was edited by hand: left as it is");
  });

  it("keeps no hash of a secret where git takes it", async () => {
    const { migrate, read, cwd } = project();
    await migrate();
    const ignored = "k8s/overlays/dev/secrets/.devloop-migrate.json";
    const hash = sha256(readFileSync(join(cwd, secrets)));
    expect(read("k8s/.devloop-migrate.json")).not.toContain(hash);
    expect(read("k8s/.devloop-migrate.json")).not.toContain(`"${secrets}"`);
    expect(read(ignored)).toContain(hash);
    expect(statSync(join(cwd, ignored)).mode & 0o777).toBe(0o600);
  });
});

describe("a state that is not what was written", () => {
  const victim = "keep me\n";
  const naming = (path: string) =>
    JSON.stringify({ version: 1, files: { [path]: { hash: sha256(Buffer.from(victim)) } } });

  it.each([
    "../victim.txt",
    "k8s/../../victim.txt",
    "/victim.txt",
    "src/victim.txt",
    "k8s//victim.txt",
    "k8s\\victim.txt",
  ])("removes nothing at %s", async (path) => {
    const { migrate, write, read, cwd } = project({ "compose.yaml": compose, "src/victim.txt": victim });
    const outside = scratchProject({ "victim.txt": victim });
    onTestFinished(() => {
      rmSync(outside, { recursive: true });
    });
    await migrate();
    write("k8s/.devloop-migrate.json", naming(path.replace("..", relative(cwd, outside))));
    expect((await migrate()).text).toContain("was not what devloop migrate wrote");
    expect(readFileSync(join(outside, "victim.txt"), "utf8")).toBe(victim);
    expect(read("src/victim.txt")).toBe(victim);
  });

  it.each(["{", "null", '{"version":1,"files":null}', '{"version":1,"files":{"k8s/a.yaml":null}}'])(
    "takes files for edited by hand where it is %s",
    async (state) => {
      const { migrate, write, read } = project();
      await migrate();
      write(web, "mine\n");
      write("k8s/.devloop-migrate.json", state);
      expect((await migrate()).text).toContain("was not what devloop migrate wrote");
      expect(read(web)).toBe("mine\n");
      expect(read(`${web}.new`)).toContain("image: web:1");
    },
  );

  it("refuses a folder that is a link", async () => {
    const { migrate, write, cwd } = project();
    const outside = scratchProject({ "victim.txt": victim });
    onTestFinished(() => {
      rmSync(outside, { recursive: true });
    });
    await migrate();
    symlinkSync(outside, join(cwd, "k8s/link"));
    write("k8s/.devloop-migrate.json", naming("k8s/link/victim.txt"));
    await expect(migrate()).rejects.toMatchObject({ code: "USAGE" });
    expect(readFileSync(join(outside, "victim.txt"), "utf8")).toBe(victim);
  });
});

describe("devloop migrate", () => {
  it("never touches a devloop.yaml that was there before", async () => {
    const { migrate, read, has } = project({
      "compose.yaml": compose,
      "devloop.yaml": "version: 1\nname: mine\n",
    });
    await migrate();
    expect(read("devloop.yaml")).toContain("mine");
    expect(has("devloop.yaml.new")).toBe(true);
  });

  it("writes nothing with --dry-run, and prints the report", async () => {
    const { migrate, cwd } = project();
    const { text } = await migrate({ dryRun: true });
    expect(readdirSync(cwd)).toEqual(["compose.yaml"]);
    expect(text).toMatch(/^create +k8s\/base\/web\/deployment.yaml/m);
    expect(text).toContain("## Service web");
    expect(text).not.toContain("first");
  });

  it("counts as the report does", async () => {
    const { migrate, read } = project();
    const { text } = await migrate();
    const counts = /^(\d+) keys converted, (\d+) approximated, (\d+) to decide, (\d+) dropped$/m.exec(text);
    const [converted, approximated, decided, dropped] = counts?.slice(1) ?? [];
    expect(read("MIGRATION.md")).toContain(
      `${converted} converted, ${approximated} approximated, ${decided} to decide, ${dropped} dropped.`,
    );
  });

  it("fails with --strict when something needs a decision, and writes all the same", async () => {
    const { migrate, write, has } = project();
    expect((await migrate({ strict: true })).code).toBe(0);
    write("compose.yaml", `${compose}networks: {inner: {internal: true}}\n`);
    expect((await migrate({ strict: true })).code).toBe(1);
    expect(has("MIGRATION.md")).toBe(true);
  });

  it("takes the override file for development, and each further -f for an overlay of its own", async () => {
    const files = {
      "compose.yaml": compose,
      "compose.override.yaml": "services: {web: {environment: {MODE: dev}}}\n",
      "compose.prod.yaml": "services: {web: {deploy: {replicas: 3}}}\n",
    };
    const first = project(files);
    await first.migrate();
    expect(first.read("k8s/overlays/dev/patches/web-deployment.yaml")).toContain("value: dev");
    const second = project(files);
    await second.migrate({ files: ["compose.yaml", "compose.prod.yaml"] });
    expect(second.read("k8s/overlays/prod/patches/web-deployment.yaml")).toContain("replicas: 3");
    expect(second.read("MIGRATION.md")).toContain("## What overlay prod changes");
    const third = project(files);
    await third.migrate({ files: ["compose.yaml", "compose.prod.yaml"], overlays: ["staging"] });
    expect(third.has("k8s/overlays/staging/kustomization.yaml")).toBe(true);
  });

  it("writes to another directory, with paths that lead back", async () => {
    const { migrate, read } = project({
      "compose.yaml": "services: {web: {build: web}}\n",
      "web/Dockerfile": "FROM x\n",
    });
    await migrate({ out: "deploy" });
    expect(read("deploy/devloop.yaml")).toContain("context: ../web");
    expect(read("deploy/MIGRATION.md")).toContain("../compose.yaml:1");
  });

  it("tells where a broken compose file is broken, and writes nothing", async () => {
    const { migrate, cwd } = project({
      "compose.yaml": "services:\n  web: {image: a, depends_on: [nowhere]}\n",
    });
    await expect(migrate()).rejects.toMatchObject({
      code: "COMPOSE_INVALID",
      message: expect.stringContaining("compose.yaml:2"),
    });
    expect(readdirSync(cwd)).toEqual(["compose.yaml"]);
  });
});
