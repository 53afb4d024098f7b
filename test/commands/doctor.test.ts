import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import {
  checkHelm,
  checkInotify,
  checkRenderer,
  checkWatching,
  judgeDisk,
} from "../../src/commands/doctor-checks.js";
import {
  checkBuildKit,
  checkCredentialHelpers,
  checkProxy,
  judgeEngineFailure,
} from "../../src/commands/doctor-engine.js";
import { doctorCommand, formatChecks } from "../../src/commands/doctor.js";
import { installCommand, packageManager, startEngineCommand } from "../../src/commands/install-commands.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { engineUnreachable } from "../../src/engine/container-engine.js";

const { signal } = new AbortController();

describe("doctor's checks", () => {
  it.each([
    ["Docker", "1.38", "fail"],
    ["Docker", "1.40", "warn"],
    ["Docker", "1.41", "ok"],
    ["Docker", "1.51", "ok"],
    ["Podman", "1.44", "fail"],
  ])("BuildKit of %s with API %s is %s", (product, apiVersion, status) => {
    expect(checkBuildKit({ product, apiVersion, version: "x" }).status).toBe(status);
  });

  it.each([
    [0.5e9, "fail"],
    [5e9, "warn"],
    [50e9, "ok"],
  ])("%d free bytes are %s", (free, status) => {
    expect(judgeDisk("/", free).status).toBe(status);
  });

  it("gives the sysctl line for exactly the limits that are low", async () => {
    const folder = await mkdtemp(join(tmpdir(), "devloop-inotify-"));
    await writeFile(join(folder, "max_user_watches"), "8192\n");
    await writeFile(join(folder, "max_user_instances"), "512\n");
    expect(await checkInotify(folder)).toMatchObject({
      status: "warn",
      fix: "sudo sysctl fs.inotify.max_user_watches=524288",
    });
    await writeFile(join(folder, "max_user_watches"), "524288\n");
    expect(await checkInotify(folder)).toMatchObject({ status: "ok" });
    await rm(folder, { recursive: true });
    expect(await checkInotify(folder)).toBeUndefined();
  });

  it.each([
    ["ID=debian\n", "apt", "sudo apt-get install -y docker.io && sudo systemctl enable --now docker"],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt", /^sudo apt-get/],
    ['ID="fedora"\n', "dnf", /^sudo dnf/],
    ["ID=nixos\n", undefined, "https://docs.docker.com/engine/install"],
  ])("knows how an engine is installed where os-release says %j", async (text, manager, command) => {
    const folder = await mkdtemp(join(tmpdir(), "devloop-os-release-"));
    await writeFile(join(folder, "os-release"), text);
    const found = await packageManager("linux", join(folder, "os-release"));
    await rm(folder, { recursive: true });
    expect(found).toBe(manager);
    expect(installCommand("engine", found)).toMatch(command);
  });

  it("tells an engine that is to be started from one that is to be installed", async () => {
    const error = engineUnreachable("unix:///x", gone("/x"));
    const home = await scratch();
    const without = await judgeEngineFailure(error, { home, env: { PATH: home }, signal });
    for (const tool of ["dockerd", "docker"])
      await writeFile(join(home, tool), "#!/bin/sh\necho Docker version 27.0.1\n", { mode: 0o755 });
    const stopped = await judgeEngineFailure(error, { home, env: { PATH: home }, signal });
    expect(without.fix).toMatch(/install/);
    expect(stopped.fix).toMatch(/start/);
    expect(stopped.fix).not.toMatch(/install/);
    const refused = Object.assign(new Error("connect EACCES /x"), { code: "EACCES", syscall: "connect" });
    expect(
      await judgeEngineFailure(engineUnreachable("unix:///x", refused), { home, env: {}, signal }),
    ).toMatchObject({ fix: expect.stringContaining("docker group") as unknown });
  });

  it("starts an engine with what the machine starts services with", () => {
    expect(startEngineCommand("apt", { systemd: true })).toBe("sudo systemctl start docker");
    expect(startEngineCommand("apt", { systemd: false })).toBe("sudo service docker start");
  });

  it.each([
    [".colima/default/docker.sock", "colima start"],
    [".rd/docker.sock", "rdctl start   (or open Rancher Desktop)"],
    [".docker/run/docker.sock", "docker desktop start   (or open Docker Desktop)"],
    ["run/docker.sock", "systemctl --user start docker"],
  ])("starts whose socket it is: %s", async (path, fix) => {
    const home = await scratch();
    const env = { XDG_RUNTIME_DIR: join(home, "run"), DOCKER_HOST: `unix://${join(home, path)}` };
    const { fix: told = "" } = await judged(env, home);
    // The machine's own engine may answer beside it: that is said after it.
    expect(told.split("   (or unset DOCKER_HOST")[0]).toBe(fix);
  });

  it("takes back a DOCKER_HOST or a context that leads nowhere while an engine answers elsewhere", async () => {
    const home = await scratch();
    const elsewhere = join(home, ".docker/run/docker.sock");
    await mkdir(join(home, ".docker/run"), { recursive: true });
    await using server = createServer();
    await new Promise((resolve) =>
      server.listen(elsewhere, () => {
        resolve(undefined);
      }),
    );
    // Whatever engine the machine has itself stands before it in the list.
    expect(await judged({ DOCKER_HOST: "unix:///nowhere.sock" }, home)).toMatchObject({
      fix: expect.stringMatching(
        /^unset DOCKER_HOST {3}\(an engine answers at \/.*docker\.sock\)$/,
      ) as unknown,
    });
    const id = createHash("sha256").update("remote").digest("hex");
    await mkdir(join(home, ".docker/contexts/meta", id), { recursive: true });
    await writeFile(
      join(home, ".docker/contexts/meta", id, "meta.json"),
      JSON.stringify({ Name: "remote", Endpoints: { docker: { Host: "unix:///nowhere.sock" } } }),
    );
    await writeFile(join(home, ".docker/config.json"), '{"currentContext": "remote"}');
    expect(await judged({}, home)).toMatchObject({
      fix: expect.stringMatching(/^docker context use default/) as unknown,
    });
  });

  it("warns where this shell goes through a proxy and the engine does not", () => {
    expect(checkProxy({}, {})).toBeUndefined();
    expect(checkProxy({ https_proxy: "http://proxy:3128" }, {})).toMatchObject({
      status: "warn",
      message: expect.stringContaining("https_proxy is set here") as unknown,
      fix: expect.stringContaining("/etc/docker/daemon.json") as unknown,
    });
    const through = { HttpsProxy: "http://proxy:3128" };
    expect(checkProxy({ HTTPS_PROXY: "http://proxy:3128" }, through)).toMatchObject({ status: "ok" });
  });

  it("warns of a credential helper that went with the program that brought it", async () => {
    const home = await scratch();
    expect(await checkCredentialHelpers({ PATH: home }, { home })).toBeUndefined();
    await mkdir(join(home, ".docker"));
    await writeFile(join(home, ".docker/config.json"), '{"credsStore": "desktop"}');
    expect(await checkCredentialHelpers({ PATH: home }, { home })).toMatchObject({
      status: "warn",
      message: expect.stringContaining("docker-credential-desktop, which is not on PATH") as unknown,
      fix: expect.stringContaining('remove "credsStore": "desktop" in ') as unknown,
    });
    await writeFile(join(home, "docker-credential-desktop"), "#!/bin/sh\n", { mode: 0o755 });
    expect(await checkCredentialHelpers({ PATH: home }, { home })).toBeUndefined();
  });

  it.each(["null", "[]", '{"credHelpers": null, "credsStore": null}', '{"credHelpers": {"a": 1}}', "{"])(
    "finds no credential helper in a config.json that holds %s",
    async (text) => {
      const home = await scratch();
      await mkdir(join(home, ".docker"));
      await writeFile(join(home, ".docker/config.json"), text);
      expect(await checkCredentialHelpers({ PATH: home }, { home })).toBeUndefined();
    },
  );

  it("needs kustomize or kubectl, unless the project has no use for it", async () => {
    const nowhere = { env: { PATH: "/nonexistent" }, signal };
    for (const need of ["needed", "unknown"] as const)
      expect(await checkRenderer(nowhere, need)).toMatchObject({
        status: "fail",
        fix: expect.stringContaining("kustomize") as unknown,
      });
    expect(await checkRenderer(nowhere, "not needed")).toMatchObject({ status: "ok" });
  });

  it("warns of a kubectl whose kustomize is too old for newer fields", async () => {
    const bin = await scratch();
    const says = async (text: string): Promise<void> => {
      await writeFile(join(bin, "kubectl"), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
    };
    const options = { env: { PATH: bin }, signal };
    await says('Client Version: version.Info{Major:"1", Minor:"20", GitVersion:"v1.20.2"}');
    expect(await checkRenderer(options, "needed")).toMatchObject({
      status: "warn",
      message: expect.stringContaining("only in kubectl v1.20.2") as unknown,
      fix: expect.stringContaining("kustomize") as unknown,
    });
    await says("Client Version: v1.32.4\nKustomize Version: v5.5.0");
    expect(await checkRenderer(options, "needed")).toEqual({
      name: "kustomize",
      status: "ok",
      message: "in kubectl v1.32.4",
    });
  });

  it.each([
    ["needed", "fail"],
    ["unknown", "warn"],
    ["not needed", "ok"],
  ] as const)("helm that is missing and %s is %s", async (need, status) => {
    expect(await checkHelm({ env: { PATH: "/nonexistent" }, signal }, need)).toMatchObject({ status });
  });

  it.runIf(process.platform === "linux")("warns of file systems that tell of no edits", async () => {
    expect(await checkWatching("/mnt/c/shop", () => Promise.resolve(0x01021997))).toMatchObject({
      status: "warn",
      message: "/mnt/c/shop is on 9p, which tells nothing of edits that are made on its other side",
    });
    expect(await checkWatching(tmpdir())).toBeUndefined();
  });
});

/** What doctor says of the engine that this environment leads to, where nothing is at its socket. */
function judged(env: Readonly<Record<string, string>>, home: string) {
  const endpoint = findEngine(env, { home });
  const error = engineUnreachable(endpoint.address, gone(endpoint.address));
  return judgeEngineFailure(error, { endpoint, home, env, signal });
}

function gone(path: string): Error {
  return Object.assign(new Error(`connect ENOENT ${path}`), { code: "ENOENT", syscall: "connect" });
}

const made: string[] = [];
afterAll(async () => {
  for (const directory of made) await rm(directory, { recursive: true });
});

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-doctor-"));
  made.push(directory);
  return directory;
}

describe("doctor's report", () => {
  it("says it with a sign and a word, in columns, the fix under its line", () => {
    const report = formatChecks(
      [
        { name: "node", status: "ok", message: "20.20.2" },
        { name: "cluster", status: "fail", message: "none", fix: "kind create cluster" },
      ],
      { colour: false },
    );
    expect(report.split("\n")).toEqual([
      "✓ ok    node     20.20.2",
      "✗ fail  cluster  none",
      "                 → kind create cluster",
      "",
    ]);
  });

  it("fails where no engine answers, and never throws", async () => {
    // Tools that doctor asks may keep things in their user's directory.
    const home = await mkdtemp(join(tmpdir(), "devloop-doctor-"));
    const env = { PATH: process.env["PATH"], HOME: home, DOCKER_HOST: "tcp://127.0.0.1:1" };
    expect(await doctorCommand({ cwd: "/", json: true, env, signal })).toBe(1);
    await rm(home, { recursive: true });
  });

  it("asks for what the project's deploys need, a chart within a kustomization too", async () => {
    const directory = await scratch();
    await mkdir(join(directory, "k8s"));
    const config = (deploy: string): Promise<void> =>
      writeFile(
        join(directory, "devloop.yaml"),
        `version: 1\nname: shop\nimages: {}\ndeploy:\n  - ${deploy}\n`,
      );
    const env = { PATH: directory, HOME: directory, DOCKER_HOST: "tcp://127.0.0.1:1" };
    const told = async (): Promise<Readonly<Record<string, string>>> => {
      const output: string[] = [];
      const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
        output.push(String(text));
        return true;
      });
      await doctorCommand({ cwd: directory, json: true, env, signal });
      write.mockRestore();
      const { checks } = JSON.parse(output.join("")) as {
        checks: readonly { name: string; status: string }[];
      };
      return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
    };
    await writeFile(
      join(directory, "k8s/all.yaml"),
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    );
    await config("manifests: [k8s/all.yaml]");
    expect(await told()).toMatchObject({ config: "ok", engine: "fail", kustomize: "ok", helm: "ok" });
    await writeFile(
      join(directory, "k8s/kustomization.yaml"),
      "helmCharts: [{ name: redis, repo: https://x }]\n",
    );
    await config("kustomize: k8s");
    expect(await told()).toMatchObject({ config: "ok", kustomize: "fail", helm: "fail" });
  });
});
