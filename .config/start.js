// `npm start`: what a fresh clone needs to show itself. Installs the dependencies from the lock file when they are missing or
// stale, builds, sees that a container engine and the example's base image are there, and runs `devloop up` on the example.
//   npm start                 until stopped
//   npm start -- --once       until ready and one edit of the page is served, with its timing; then all is removed
//   npm start -- --dry-run    only says what it would do
// Plain Node.js: nothing is installed yet when it begins.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const dryRun = args.includes("--dry-run");
const once = args.includes("--once");
const baseImage = "node:20-bookworm-slim";
const page = join(root, "examples/monitor/services/monitor-agent/src/page/index.html");

try {
  await prepare();
  if (dryRun)
    say(once ? "would run the example once, edit its page, and remove it" : "would run: devloop up");
  else process.exitCode = once ? await runOnce() : await runUp();
} catch (error) {
  console.error(`start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(
      `Node.js ${process.versions.node} is too old: install 20.19 or later from https://nodejs.org`,
    );
  await step("dependencies", await dependencies());
  await step("build", {
    why: "dist is made from src",
    does: "node .config/build.js",
    run: () => run("node", [".config/build.js"]),
  });
  await step("container engine", await engine());
  await step("base image", await image());
}

/**
 * What a step does; without `does` there is nothing to do, for the reason in `why`.
 * @typedef {{ why: string, does?: string, run?: () => Promise<unknown> }} Step
 */

/**
 * @param {string} name
 * @param {Step} step
 */
async function step(name, { why, does, run: work }) {
  if (does === undefined || work === undefined) {
    say(`${name}: ${why}`);
    return;
  }
  if (dryRun) {
    say(`${name}: ${why}; would run: ${does}`);
    return;
  }
  say(`${name}: ${why}; ${does}`);
  const startedAt = Date.now();
  await work();
  say(`${name}: done in ${seconds(startedAt)}`);
}

/** npm notes what it installed: a note that is older than the lock file is of another one. */
async function dependencies() {
  const [installed, wanted] = await Promise.all([
    modified(join(root, "node_modules/.package-lock.json")),
    modified(join(root, "package-lock.json")),
  ]);
  if (installed >= wanted) return { why: "as the lock file has them" };
  const why = installed === 0 ? "not installed" : "older than the lock file";
  // Without its scripts: what those build is the next step.
  const install = () => run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
  return { why, does: "npm ci", run: install };
}

/**
 * When a file was changed, in ms since the epoch; 0 when there is none.
 * @param {string} file
 */
async function modified(file) {
  return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
}

/** @returns {Promise<Step>} */
async function engine() {
  const asked = await capture("docker", ["version", "--format", "{{.Server.Version}}"]);
  if (asked.exitCode === 0) return { why: `Docker ${asked.stdout.trim()} answers` };
  const debian = await isDebian();
  if (debian && process.getuid?.() === 0) {
    const missing = asked.exitCode === 127;
    const does = missing ? "apt-get install docker.io, and start it" : "start dockerd";
    return {
      why: missing ? "not installed" : "installed, and does not answer",
      does,
      run: () => startEngine(missing),
    };
  }
  const words = asked.exitCode === 127 ? "no docker command is on PATH" : asked.stderr.trim().split("\n")[0];
  const hint =
    process.platform === "darwin"
      ? "brew install colima docker && colima start   (or start Docker Desktop)"
      : process.platform === "win32"
        ? "start Docker Desktop (winget install Docker.DockerDesktop), or run this within WSL"
        : debian
          ? "sudo apt-get install -y docker.io && sudo usermod -aG docker $USER, then log in again"
          : "install Docker (https://docs.docker.com/engine/install), rootless Docker, or set DOCKER_HOST to the socket of one";
  throw new Error(`a container engine is needed and none answers: ${words}\n  → ${hint}`);
}

/** @param {boolean} install */
async function startEngine(install) {
  if (install) {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["-qq", "update"], env);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "docker.io", "iptables"], env);
  }
  const managed = existsSync("/run/systemd/system")
    ? await capture("systemctl", ["start", "docker"])
    : await capture("service", ["docker", "start"]);
  for (let tries = 0; tries < 60; tries += 1) {
    if ((await capture("docker", ["version"])).exitCode === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(
    `the engine was started and does not answer within 30 s: ${managed.stderr.trim()}\n  → journalctl -u docker, or /var/log/docker.log`,
  );
}

/** @returns {Promise<Step>} */
async function image() {
  const there = await capture("docker", ["image", "inspect", baseImage]);
  if (there.exitCode === 0) return { why: `${baseImage} is there` };
  return { why: `${baseImage} is not there`, does: `docker pull ${baseImage}`, run: pullOrMake };
}

async function pullOrMake() {
  const pulled = await capture("docker", ["pull", "--quiet", baseImage], 300_000);
  if (pulled.exitCode === 0) return;
  const reason = pulled.stderr.trim().split("\n").at(-1);
  if (!(await isDebian()) || process.getuid?.() !== 0)
    throw new Error(
      `${baseImage} cannot be pulled: ${reason}\n  → docker pull ${baseImage}, once this machine reaches a registry`,
    );
  say(`base image: no registry is reached (${reason})`);
  say(
    `base image: makes a stand-in for ${baseImage} of Debian's packages and this machine's Node.js ${process.versions.node}`,
  );
  await makeStandIn();
}

/** A minimal Debian with this machine's own Node.js, under the public image's name. */
async function makeStandIn() {
  const directory = await mkdtemp(join(tmpdir(), "devloop-start-"));
  try {
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "debootstrap"], {
      DEBIAN_FRONTEND: "noninteractive",
    });
    const { stdout } = await capture("apt-get", [
      "indextargets",
      "--format",
      "$(REPO_URI)",
      "Codename: bookworm",
    ]);
    const mirror = stdout.split("\n")[0] || "http://deb.debian.org/debian";
    const system = join(directory, "root");
    await run("debootstrap", [
      "--variant=minbase",
      "--include=libstdc++6,ca-certificates",
      "bookworm",
      system,
      mirror,
    ]);
    await mkdir(join(system, "usr/local/bin"), { recursive: true });
    await copyFile(await realpath(process.execPath), join(system, "usr/local/bin/node"));
    await chmod(join(system, "usr/local/bin/node"), 0o755);
    const tar = join(directory, "root.tar");
    await run("tar", [
      "-C",
      system,
      "--exclude=./var/cache/apt",
      "--exclude=./var/lib/apt/lists",
      "-cf",
      tar,
      ".",
    ]);
    const changes = [
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      'CMD ["node"]',
      "LABEL devloop.stand-in=true",
    ];
    await run("docker", ["import", ...changes.flatMap((change) => ["-c", change]), tar, baseImage]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<number>} */
async function runUp() {
  say("devloop up: q or ctrl-c ends it");
  const child = spawn(process.execPath, ["dist/cli.js", "up", ...args], { cwd: root, stdio: "inherit" });
  // The terminal tells the child, too; it ends in its own time.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
  return await new Promise((resolve) =>
    child.on("close", (code) => {
      resolve(code ?? 1);
    }),
  );
}

/** Until the page is served, then an edit of it, then nothing is left. The page is put back whatever happens. */
async function runOnce() {
  const before = await readFile(page, "utf8");
  const startedAt = Date.now();
  const child = spawn(process.execPath, ["dist/cli.js", "up", "--output", "json", "--cleanup"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const loop = followEvents(child);
  const ended = new Promise((resolve) =>
    child.on("close", (code) => {
      resolve(code ?? 1);
    }),
  );
  const stop = () => child.kill("SIGINT");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  try {
    await Promise.race([
      loop.ready,
      ended.then(() => Promise.reject(new Error("devloop ended before all was ready"))),
    ]);
    say(`ready in ${seconds(startedAt)}: ${loop.url()}`);
    await served(loop.url(), /<h1>Monitor<\/h1>/);
    say("the page is served");
    const title = `Edited at ${new Date().toISOString()}`;
    const savedAt = Date.now();
    await writeFile(page, before.replace("<h1>Monitor</h1>", `<h1>${title}</h1>`));
    await served(loop.url(), title);
    say(
      `an edit of examples/monitor/services/monitor-agent/src/page/index.html was served ${seconds(savedAt)} after its save`,
    );
  } finally {
    await writeFile(page, before);
    stop();
    await ended;
  }
  say("what was deployed is removed; the engine and its images stay");
  return 0;
}

/**
 * As much of an event of `--output json` as is looked at here.
 * @typedef {{ type: string, id: string, outcome?: string, failure?: { message: string },
 *   state?: { status: string, host: string, port: number } }} LoopEvent
 */

/** @param {import("node:child_process").ChildProcess} child */
function followEvents(child) {
  let rest = "";
  let address = "";
  /** @type {() => void} */
  let settle;
  const ready = /** @type {Promise<void>} */ (new Promise((resolve) => (settle = resolve)));
  child.stdout?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      /** @type {unknown} */
      const parsed = JSON.parse(line);
      const event = /** @type {LoopEvent} */ (parsed);
      if (
        event.type === "forward.changed" &&
        /monitor-agent/.test(event.id) &&
        event.state?.status === "listening"
      )
        address = `http://${event.state.host}:${event.state.port}/`;
      if (event.type === "loop.ended" && event.outcome === "ready") settle();
      if (event.type === "task.failed") say(`${event.id} failed: ${event.failure?.message}`);
    }
  });
  return { ready, url: () => address };
}

/**
 * Asks until the answer holds the text.
 * @param {string} url
 * @param {string | RegExp} wanted
 */
async function served(url, wanted) {
  const end = Date.now() + 120_000;
  while (Date.now() < end) {
    const text = await fetch(url)
      .then((answer) => answer.text())
      .catch(() => "");
    if (text.match(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${url} does not serve the page within two minutes\n  → devloop doctor`);
}

async function isDebian() {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(text);
}

/**
 * Runs a program with this one's output. Throws when it fails.
 * @param {string} file
 * @param {string[]} argv
 * @param {Record<string, string>} env
 */
function run(file, argv, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, argv, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...env },
    });
    child.on("error", (error) => {
      reject(new Error(`${file}: ${error.message}`));
    });
    child.on("close", (code) => {
      if (code === 0) resolve(undefined);
      else reject(new Error(`${[file, ...argv].join(" ")} failed with exit code ${code}`));
    });
  });
}

/**
 * Runs a program and keeps what it prints; exit code 127 when it is not there.
 * @param {string} file
 * @param {string[]} argv
 * @returns {Promise<{ exitCode: number, stdout: string, stderr: string }>}
 */
function capture(file, argv, timeout = 20_000) {
  return new Promise((resolve) => {
    const child = spawn(file, argv, { stdio: ["ignore", "pipe", "pipe"], timeout });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => (stderr += text));
    child.on("error", (error) => {
      resolve({ exitCode: 127, stdout, stderr: error.message });
    });
    child.on("close", (code) => {
      resolve({ exitCode: code ?? 1, stdout, stderr });
    });
  });
}

/** @param {number} startedAt */
function seconds(startedAt) {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}

/** @param {string} text */
function say(text) {
  console.log(`start: ${text}`);
}
