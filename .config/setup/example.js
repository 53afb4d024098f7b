import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askDoctor } from "./doctor.js";
import { failure, root } from "./programs.js";
import { seconds } from "./steps.js";

const page = "examples/monitor/services/monitor-agent/src/page/index.html";
const heading = "<h1>Monitor</h1>";
/** How long the first start may take until all is ready, in ms. */
const readyLimitMs = 10 * 60_000;
/** How long the page, and then its edit, may take, in ms. */
const servedLimitMs = 2 * 60_000;

/**
 * The profiles of devloop.yaml that this machine needs, and why: without a usable cluster the example runs on the engine, and
 * without a kustomize its manifests are taken as they were rendered before.
 * @returns {Promise<readonly { profile: string, why: string }[] | undefined>} undefined where devloop is not built yet
 */
export async function neededProfiles() {
  const told = await askDoctor();
  if (told === undefined) return undefined;
  const { cluster, kustomize } = told;
  return [
    ...(cluster?.status === "fail"
      ? [{ profile: "engine", why: `${cluster.message}: the containers run on the engine itself` }]
      : []),
    // An old kubectl's kustomize does not know all fields of the overlay.
    ...(kustomize !== undefined && kustomize.status !== "ok"
      ? [{ profile: "plain", why: `${kustomize.message}: takes examples/monitor/k8s/rendered/dev.yaml` }]
      : []),
  ];
}

/**
 * The loop, on this terminal. Resolves with its exit code.
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
export async function runUp(args) {
  const child = spawn(process.execPath, ["dist/cli.js", "up", ...args], { cwd: root, stdio: "inherit" });
  // The terminal tells the child, too; it ends in its own time.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
  return await exitOf(child);
}

/**
 * Until the page is served, then an edit of it, then nothing is left. The page is put back whatever happens.
 * @param {readonly string[]} args
 * @param {(text: string) => void} say
 */
export async function runOnce(args, say) {
  const before = await readFile(join(root, page), "utf8");
  const startedAt = Date.now();
  const child = spawn(process.execPath, ["dist/cli.js", "up", "--output", "json", "--cleanup", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const loop = followEvents(child);
  const ended = exitOf(child);
  const stop = () => child.kill("SIGINT");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  try {
    await within(readyLimitMs, Promise.race([loop.ready, ended.then(endedEarly)]));
    say(`example: ready in ${seconds(startedAt)}: ${loop.url()}`);
    await served(loop.url(), heading);
    say(`example: the page is served, ${seconds(startedAt)} after devloop up`);
    const title = `Edited at ${new Date().toISOString()}`;
    const savedAt = Date.now();
    await writeFile(join(root, page), before.replace(heading, `<h1>${title}</h1>`));
    await served(loop.url(), title);
    say(`example: an edit of ${page} was served ${seconds(savedAt)} after its save`);
  } finally {
    await writeFile(join(root, page), before);
    stop();
    await ended;
  }
  const exitCode = await ended;
  // 130: it was interrupted, as asked for.
  if (exitCode !== 130 && exitCode !== 0)
    throw failure("what was deployed could not be removed", "npx devloop down");
  say("example: removed; the engine and its images stay");
}

/** @returns {never} */
function endedEarly() {
  throw failure("devloop ended before all was ready", "npx devloop doctor");
}

/**
 * As much of an event of `--output json` as is looked at here.
 * @typedef {{ type: string, id: string, outcome?: string, failure?: { message: string, hint?: string },
 *   state?: { status: string, host: string, port: number } }} LoopEvent
 */

/** @param {import("node:child_process").ChildProcess} child */
function followEvents(child) {
  let rest = "";
  let address = "";
  /** @type {Error | undefined} */
  let failed;
  /** @type {() => void} */
  let settle;
  /** @type {(error: Error) => void} */
  let giveUp;
  const ready = /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      settle = resolve;
      giveUp = reject;
    })
  );
  child.stdout?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      /** @type {unknown} */
      const parsed = JSON.parse(line);
      const event = /** @type {LoopEvent} */ (parsed);
      if (event.type === "forward.changed" && event.id.includes("monitor-agent")) {
        if (event.state?.status === "listening") address = `http://${event.state.host}:${event.state.port}/`;
      }
      if (event.type === "task.failed")
        failed = failure(
          `${event.id}: ${event.failure?.message}`,
          event.failure?.hint ?? "npx devloop doctor, then npx devloop up for the whole story",
        );
      if (event.type !== "loop.ended") continue;
      if (event.outcome === "ready") settle();
      else if (failed !== undefined) giveUp(failed);
    }
  });
  return { ready, url: () => address };
}

/** @param {import("node:child_process").ChildProcess} child */
function exitOf(child) {
  return /** @type {Promise<number>} */ (
    new Promise((resolve) =>
      child.on("close", (code) => {
        resolve(code ?? 1);
      }),
    )
  );
}

/**
 * @param {number} ms
 * @param {Promise<void>} work
 */
async function within(ms, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(failure(`not ready within ${ms / 60_000} minutes`, "npx devloop up shows what it waits for"));
    }, ms);
  });
  await Promise.race([work, late]).finally(() => {
    clearTimeout(timer);
  });
}

/**
 * Asks until the answer holds the text.
 * @param {string} url
 * @param {string} wanted
 */
async function served(url, wanted) {
  const end = Date.now() + servedLimitMs;
  while (Date.now() < end) {
    const text = await fetch(url)
      .then((answer) => answer.text())
      .catch(() => "");
    if (text.includes(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw failure(`${url} does not serve ${wanted} within two minutes`, "npx devloop up shows what happens");
}
