import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const start = new URL("../../.config/start.js", import.meta.url).pathname;
let bin: string;
beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), "devloop-start-"));
});
afterEach(async () => {
  await rm(bin, { recursive: true });
});

/** `npm start -- --dry-run` on a machine with the given programs and no others. */
async function dryRun(
  programs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
) {
  for (const [name, text] of Object.entries(programs))
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [start, "--dry-run"],
      { env: { HOME: bin, PATH: bin, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      },
    );
  });
}

describe("npm start", () => {
  it("installs no engine where DOCKER_HOST leads to one that does not answer: it says so, with a fix", async () => {
    const { code, stdout, stderr } = await dryRun({}, { DOCKER_HOST: "unix:///nowhere.sock" });
    expect(code).toBe(1);
    expect(stdout).toContain("start: dependencies: ");
    expect(stdout).not.toContain("apt-get");
    expect(stderr).toMatch(/^start: a container engine is needed and none answers: .+\n {2}→ .+\n$/);
  });

  it("says that an image is pulled, or made where no registry is reached", async () => {
    const docker = 'case "$1" in version) echo 27.0.1;; *) exit 1;; esac';
    const { code, stdout } = await dryRun({ docker });
    expect(code).toBe(0);
    expect(stdout).toContain("start: container engine: Docker 27.0.1 answers\n");
    expect(stdout).toContain(
      "start: base image: node:20-bookworm-slim is not there; would run: docker pull node:20-bookworm-slim, or a stand-in where no registry is reached\n",
    );
  });

  it("names a stand-in as one", async () => {
    const docker =
      'case "$1" in version) echo 27.0.1;; image) echo \'{"devloop.stand-in":"true"}\';; *) exit 1;; esac';
    const { stdout } = await dryRun({ docker });
    expect(stdout).toContain("node:20-bookworm-slim is there, as a stand-in that was made here\n");
  });
});
