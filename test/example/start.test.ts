import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

// In a copy of what `npm start` itself is made of: whether this clone is built, and what runs on this machine, is all the same.

const config = new URL("../../.config/", import.meta.url).pathname;
const page = "examples/monitor/services/monitor-agent/src/page/index.html";
let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "devloop-start-")));
  await cp(join(config, "start.js"), join(root, ".config/start.js"));
  await cp(join(config, "setup"), join(root, ".config/setup"), { recursive: true });
  await write("package.json", '{"type": "module"}');
  await write("package-lock.json", '{"packages": {}}');
  await write("node_modules/.package-lock.json", '{"packages": {}}');
  await mkdir(join(root, "bin"));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

async function write(file: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), text, { mode });
}

const environment = (): NodeJS.ProcessEnv => ({ HOME: root, PATH: join(root, "bin") });

/** `npm start` with these arguments, on a machine whose docker command is this script, or which has none. */
async function start(args: readonly string[], docker?: string, env: NodeJS.ProcessEnv = {}) {
  if (docker !== undefined) await write("bin/docker", `#!/bin/sh\n${docker}\n`, 0o755);
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(root, ".config/start.js"), ...args],
      { env: { ...environment(), ...env } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      },
    );
  });
}

const withoutImage = 'case "$1" in version) echo 27.0.1;; *) exit 1;; esac';
const withImage = 'case "$1" in version) echo 27.0.1;; image) echo null;; *) exit 1;; esac';

describe("npm start --dry-run", () => {
  it("installs no engine where DOCKER_HOST leads to one that does not answer: it says so, with a fix", async () => {
    const elsewhere = { DOCKER_HOST: "unix:///nowhere.sock" };
    const { code, stdout, stderr } = await start(["--dry-run"], undefined, elsewhere);
    expect(code).toBe(1);
    expect(stdout).toContain("start: dependencies: as the lock file has them\n");
    expect(stdout).not.toContain("apt-get");
    expect(stderr).toMatch(/^start: a container engine is needed and none answers: .+\n {2}→ .+\n$/);
  });

  it("says that an image is pulled, or made where no registry is reached", async () => {
    const { code, stdout } = await start(["--dry-run"], withoutImage);
    expect(code).toBe(0);
    expect(stdout).toContain("start: container engine: Docker 27.0.1 answers\n");
    expect(stdout).toContain(
      "start: base image: node:20-bookworm-slim is not there; would run: docker pull node:20-bookworm-slim, or a stand-in where no registry is reached\n",
    );
    expect(stdout).toContain("start: example: would run devloop up; without a usable cluster on the engine");
  });

  it("names a stand-in as one", async () => {
    const docker =
      'case "$1" in version) echo 27.0.1;; image) echo \'{"devloop.stand-in":"true"}\';; *) exit 1;; esac';
    const { stdout } = await start(["--dry-run"], docker);
    expect(stdout).toContain("node:20-bookworm-slim is there, as a stand-in that was made here\n");
  });

  it("takes the profiles that doctor's answer asks for, once devloop is built", async () => {
    await writeDevloop();
    const { code, stdout } = await start(["--dry-run"], withImage);
    expect(code).toBe(0);
    expect(stdout).toContain(
      "start: example: no cluster: the containers run on the engine itself (profile engine",
    );
    expect(stdout).toContain("start: example: would run devloop up -p engine\n");
  });
});

/** A devloop that answers as the real one does: `up` serves the page, and writes down how it ended. */
async function writeDevloop(): Promise<void> {
  await write(page, "<h1>Monitor</h1>\n");
  await write(".config/build.js", "");
  await write(
    "dist/cli.js",
    `import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
const [command, ...args] = process.argv.slice(2);
if (command === "doctor") {
  const cluster = { name: "cluster", status: "fail", message: "no cluster" };
  console.log(JSON.stringify({ ok: false, checks: [cluster] }));
  process.exit(1);
}
// Nobody is left behind by a test that fails.
setTimeout(() => process.exit(9), 300_000);
let stopped = false;
process.on("SIGINT", () => {
  if (stopped) process.exit(130);
  stopped = true;
  server.closeAllConnections();
  server.close();
  // As long as a removal takes at least; a second signal breaks it off.
  setTimeout(() => {
    writeFileSync("removed", args.join(" "));
    process.exit(130);
  }, 300);
});
// Of the environment: STALE serves no edit, CRASH ends at the first question after one.
const first = readFileSync(${JSON.stringify(page)}, "utf8");
const server = createServer((_, answer) => {
  const now = readFileSync(${JSON.stringify(page)}, "utf8");
  answer.end(process.env.STALE ? first : now);
  if (process.env.CRASH && now !== first) process.exit(7);
}).listen(0, "127.0.0.1", () => {
  const state = { status: "listening", host: "127.0.0.1", port: server.address().port };
  console.log("no event");
  console.log(JSON.stringify({ type: "forward.changed", id: "monitor-agent", state }));
  console.log(JSON.stringify({ type: "loop.ended", outcome: "ready" }));
});
`,
  );
}

// Several programs start one another here, on machines that may be busy.
describe("npm start", { timeout: 180_000 }, () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "ends its loop in order on %s to its own process alone, and on a second one like it",
    async (signal) => {
      await writeDevloop();
      await write("bin/docker", `#!/bin/sh\n${withImage}\n`, 0o755);
      const child = spawn(process.execPath, [join(root, ".config/start.js"), "--output", "json"], {
        env: environment(),
      });
      const closed = once(child, "close");
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
      await expect.poll(() => text, { timeout: 150_000 }).toContain('"outcome":"ready"');
      child.kill(signal);
      child.kill(signal);
      // Its output is closed once the loop has gone as well.
      expect(await closed).toEqual([130, null]);
      expect(await readFile(join(root, "removed"), "utf8")).toBe("-p engine --output json");
    },
  );
});

describe("npm start --once", { timeout: 180_000 }, () => {
  const served = () => readFile(join(root, page), "utf8");

  it("ends with all removed and the page as it was", async () => {
    await writeDevloop();
    const { code, stdout, stderr } = await start(["--once"], withImage);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/an edit of \S+ was served [\d.]+ s after its save\n/);
    expect(stdout).toMatch(/example: removed; the engine and its images stay\nstart: done, /);
    expect(await readFile(join(root, "removed"), "utf8")).toContain("--cleanup -p engine");
    expect(await served()).toBe("<h1>Monitor</h1>\n");
  });

  it("takes a page that somebody has edited already, and says so where it has nothing to edit", async () => {
    await writeDevloop();
    await write(page, "<h1>Mine, for $& now</h1>\n");
    const { code } = await start(["--once"], withImage);
    expect(code).toBe(0);
    expect(await served()).toBe("<h1>Mine, for $& now</h1>\n");
    await write(page, "<h2>Mine</h2>\n");
    const without = await start(["--once"], withImage);
    expect(without.code).toBe(1);
    expect(without.stderr).toBe(`start: ${page} has no <h1> to edit\n  → git checkout ${page}\n`);
  });

  it("removes what it deployed on one ctrl-c, which npm passes on once more", async () => {
    await writeDevloop();
    await write("bin/docker", `#!/bin/sh\n${withImage}\n`, 0o755);
    const child = spawn(process.execPath, [join(root, ".config/start.js"), "--once"], {
      env: { ...environment(), STALE: "1" },
      // The terminal tells a whole group.
      detached: true,
    });
    const { pid } = child;
    if (pid === undefined) throw new Error("it did not start");
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
    child.stderr.setEncoding("utf8").on("data", (more: string) => (text += more));
    const closed = once(child, "close");
    await expect.poll(served, { timeout: 150_000 }).toContain("Edited at");
    process.kill(-pid, "SIGINT");
    process.kill(pid, "SIGINT");
    expect(await closed).toEqual([130, null]);
    expect(text).toContain("start: example: interrupted\nstart: example: removed; ");
    expect(await readFile(join(root, "removed"), "utf8")).toContain("--cleanup");
    expect(await served()).toBe("<h1>Monitor</h1>\n");
  });

  it("waits for no page of a loop that has ended, and says what removes the rest", async () => {
    await writeDevloop();
    const { code, stderr } = await start(["--once"], withImage, { CRASH: "1", STALE: "1" });
    expect(code).toBe(1);
    expect(stderr).toBe(
      "start: devloop ended before all was seen; what was deployed is not removed, or not all of it\n" +
        "  → npx devloop down -p engine; then npx devloop doctor\n",
    );
    expect(await served()).toBe("<h1>Monitor</h1>\n");
  });

  it("makes no stand-in for an image that the registry refuses", async () => {
    await writeDevloop();
    const refused = "toomanyrequests: You have reached your unauthenticated pull rate limit.";
    const { code, stdout, stderr } = await start(
      ["--once"],
      `case "$1" in version) echo 27.0.1;; *) echo "Error response from daemon: ${refused}" >&2; exit 1;; esac`,
    );
    expect(code).toBe(1);
    expect(stdout).not.toContain("makes a stand-in");
    expect(stderr).toContain(
      `node:20-bookworm-slim cannot be pulled: Error response from daemon: ${refused}\n`,
    );
    expect(stderr).toContain("  → docker login: logged in, more pulls are allowed\n");
  });
});

interface BaseImage {
  readonly judgePull: (printed: string) => {
    readonly reason: string;
    readonly isUnreached: boolean;
    readonly fix?: string;
  };
}

describe("a pull that failed", async () => {
  const { judgePull } = (await import(join(config, "setup/base-image.js"))) as BaseImage;
  const get = 'Error response from daemon: Get "https://registry-1.docker.io/v2/": ';

  it.each([
    "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host",
    "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: server misbehaving",
    "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: read udp 10.0.0.2:4->10.0.0.1:53: i/o timeout",
    "dial tcp 52.1.2.3:443: connect: connection refused",
    "dial tcp 52.1.2.3:443: connect: network is unreachable",
    "dial tcp 52.1.2.3:443: connect: no route to host",
    "net/http: TLS handshake timeout",
    "context deadline exceeded",
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
  ])("by the network (%s) is replaced by a stand-in", (reason) => {
    expect(judgePull(`${get}${reason}\n`)).toMatchObject({ isUnreached: true, fix: undefined });
  });

  it.each([
    ["toomanyrequests: You have reached your pull rate limit", /docker login/],
    ["unauthorized: incorrect username or password", /docker logout/],
    ["tls: failed to verify certificate: x509: certificate signed by unknown authority", /certificate/],
    ["proxyconnect tcp: Proxy Authentication Required", /proxy/],
    ["write /var/lib/docker/tmp/GetImageBlob1: no space left on device", /prune/],
    ["manifest for busybox:1 not found: manifest unknown", undefined],
  ])("by what is to be mended (%s) is not", (reason, fix) => {
    const judged = judgePull(`${get}${reason}\n`);
    expect(judged.isUnreached).toBe(false);
    expect(judged.reason).toContain(reason);
    if (fix === undefined) expect(judged.fix).toBeUndefined();
    else expect(judged.fix).toMatch(fix);
  });

  it("because the docker command lost the engine is no matter of the registry", () => {
    const lost =
      "error during connect: Post http://far:2375/v1.41/images/create: dial tcp: lookup far: no such host";
    expect(judgePull(lost).isUnreached).toBe(false);
  });
});
