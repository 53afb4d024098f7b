import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  checkBuildKit,
  checkHelm,
  checkInotify,
  checkNode,
  checkRenderer,
  judgeDisk,
  judgeEngineFailure,
} from "../../src/commands/doctor-checks.js";
import { doctorCommand, formatChecks } from "../../src/commands/doctor.js";
import { installCommand, packageManager } from "../../src/commands/install-commands.js";
import { engineUnreachable } from "../../src/engine/container-engine.js";

const { signal } = new AbortController();

describe("doctor's checks", () => {
  it.each([
    ["20.18.3", "fail"],
    ["20.19.0", "ok"],
    ["22.1.0", "ok"],
    ["18.20.0", "fail"],
  ])("node %s is %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

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
    const gone = Object.assign(new Error("connect ENOENT /x"), { code: "ENOENT", syscall: "connect" });
    const error = engineUnreachable("unix:///x", gone);
    const bin = await mkdtemp(join(tmpdir(), "devloop-bin-"));
    const without = await judgeEngineFailure(error, { env: { PATH: bin }, signal });
    for (const tool of ["dockerd", "docker"])
      await writeFile(join(bin, tool), "#!/bin/sh\necho Docker version 27.0.1\n", { mode: 0o755 });
    const stopped = await judgeEngineFailure(error, { env: { PATH: bin }, signal });
    await rm(bin, { recursive: true });
    expect(without.fix).toMatch(/install/);
    expect(stopped.fix).toMatch(/start/);
    expect(stopped.fix).not.toMatch(/install/);
    const refused = Object.assign(new Error("connect EACCES /x"), { code: "EACCES", syscall: "connect" });
    expect(
      await judgeEngineFailure(engineUnreachable("unix:///x", refused), { env: {}, signal }),
    ).toMatchObject({ fix: expect.stringContaining("docker group") as unknown });
  });

  it("needs kustomize or kubectl, and only warns of helm", async () => {
    const nowhere = { env: { PATH: "/nonexistent" }, signal };
    expect(await checkRenderer(nowhere)).toMatchObject({
      status: "fail",
      fix: expect.stringContaining("kustomize"),
    });
    expect(await checkHelm(nowhere)).toMatchObject({ status: "warn" });
  });
});

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
});
