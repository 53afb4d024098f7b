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
} from "../../src/commands/doctor-checks.js";
import { doctorCommand, formatChecks } from "../../src/commands/doctor.js";

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
