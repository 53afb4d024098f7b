import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askDoctor } from "./doctor.js";
import { failure, root } from "./programs.js";
import { seconds } from "./steps.js";

const page = "examples/monitor/services/monitor-agent/src/page/index.html";
const anyHeading = /<h1>.*?<\/h1>/;
/** How long the first start may take until all is ready, in ms. */
const readyLimitMs = 10 * 60_000;
/** How long the page, and then its edit, may take, in ms. */
const servedLimitMs = 2 * 60_000;
/** npm passes a ctrl-c on that came from the terminal already: signals this close together, in ms, are one. */
const sameInterruptMs = 1_000;

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
 * The loop, on this terminal; what ends this process ends it too. Resolves with its exit code.
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
export async function runUp(args) {
  const isScreen = hasScreen(args);
  const child = spawn(process.execPath, ["dist/cli.js", "up", ...args], {
    cwd: root,
    stdio: "inherit",
    // A screen needs the terminal's own group. Without one it gets what is sent to it here alone, as one interrupt: with the
    // terminal's ctrl-c as well, it would not end in order.
    detached: !isScreen,
  });
  if (isScreen) {
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
      process.on(signal, () => child.kill(signal));
    // The terminal that goes away tells the child, too, whose loop goes on without it.
    process.on("SIGHUP", () => undefined);
  } else stopper(child, { onInterrupt: () => undefined });
  return await exitOf(child);
}

/**
 * Whether `devloop up` shows its screen, and reads keys, rather than printing lines.
 * @param {readonly string[]} args
 */
function hasScreen(args) {
  const { TERM, CI } = process.env;
  return (
    Boolean(process.stdin.isTTY && process.stdout.isTTY) &&
    TERM !== "dumb" &&
    [undefined, "0", "false"].includes(CI) &&
    !args.some((arg) => /^(-o|--output=)?(plain|json)$/.test(arg))
  );
}

/**
 * Until the page is served, then an edit of it, then nothing is left. The page is put back whatever happens. Resolves with the
 * exit code: 130 when it was interrupted and what was deployed is removed.
 * @param {readonly string[]} args
 * @param {{ say: (text: string) => void, removal: string }} options `removal` is the command that removes what was deployed
 * @returns {Promise<number>}
 */
export async function runOnce(args, { say, removal }) {
  const text = await readFile(join(root, page), "utf8");
  const heading = anyHeading.exec(text)?.[0];
  if (heading === undefined) throw failure(`${page} has no <h1> to edit`, `git checkout ${page}`);
  const startedAt = Date.now();
  // In a group of its own: it gets what is sent to it here, and not the terminal's ctrl-c as well, which would break off its
  // removal.
  const child = spawn(process.execPath, ["dist/cli.js", "up", "--output", "json", "--cleanup", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const loop = followEvents(child);
  const ended = exitOf(child);
  const over = new AbortController();
  void ended.then(() => {
    over.abort(failure("devloop ended before all was seen", "npx devloop doctor"));
  });
  const stop = stopper(child, {
    onInterrupt: () => {
      say("example: interrupted");
      over.abort(failure("interrupted", "npm start -- --once"));
    },
  });
  const { signal } = over;
  /** @type {(Error & { fix?: string }) | undefined} */
  let trouble;
  try {
    await within(readyLimitMs, Promise.race([loop.ready, aborted(signal)]));
    say(`example: ready in ${seconds(startedAt)}: ${loop.url()}`);
    await served(loop.url(), heading, signal);
    say(`example: the page is served, ${seconds(startedAt)} after devloop up`);
    await withEditedPage(text, async (title) => {
      const savedAt = Date.now();
      await served(loop.url(), title, signal);
      say(`example: an edit of ${page} was served ${seconds(savedAt)} after its save`);
    });
  } catch (error) {
    trouble = /** @type {Error} */ (error);
  }
  stop.once();
  const exitCode = await ended;
  // 130: it was interrupted, as asked for.
  const isRemoved = (exitCode === 130 || exitCode === 0) && !stop.isBrokenOff();
  if (!isRemoved)
    throw failure(
      `${trouble === undefined ? "" : `${trouble.message}; `}what was deployed is not removed, or not all of it`,
      `${removal}${trouble?.fix === undefined ? "" : `; then ${trouble.fix}`}`,
    );
  if (trouble !== undefined && !stop.isInterrupted()) throw trouble;
  say("example: removed; the engine and its images stay");
  return trouble === undefined ? 0 : 130;
}

/**
 * Ends the loop, with one signal, by itself or on the first interrupt; the second interrupt breaks its removal off.
 * @param {import("node:child_process").ChildProcess} child
 * @param {{ onInterrupt: () => void }} options
 */
function stopper(child, { onInterrupt }) {
  let isStopped = false;
  let isBrokenOff = false;
  /** @type {number | undefined} */
  let interruptedAt;
  const once = () => {
    if (!isStopped) child.kill("SIGINT");
    isStopped = true;
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => {
      if (interruptedAt === undefined) {
        interruptedAt = Date.now();
        onInterrupt();
        once();
      } else if (Date.now() - interruptedAt > sameInterruptMs) {
        isBrokenOff = child.kill("SIGINT");
      }
    });
  return { once, isInterrupted: () => interruptedAt !== undefined, isBrokenOff: () => isBrokenOff };
}

/**
 * Edits the page's heading for as long as the work takes.
 * @param {string} before
 * @param {(title: string) => Promise<void>} work
 */
async function withEditedPage(before, work) {
  const file = join(root, page);
  const title = `Edited at ${new Date().toISOString()}`;
  try {
    await writeFile(file, before.replace(anyHeading, `<h1>${title}</h1>`));
    await work(title);
  } finally {
    await writeFile(file, before);
  }
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
      const event = parseEvent(line);
      if (event === undefined) continue;
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

/**
 * A line that is no event breaks nothing: the page is to be put back.
 * @param {string} line
 */
function parseEvent(line) {
  try {
    return /** @type {LoopEvent} */ (/** @type {unknown} */ (JSON.parse(line)));
  } catch {
    return undefined;
  }
}

/** @param {import("node:child_process").ChildProcess} child */
function exitOf(child) {
  return /** @type {Promise<number>} */ (
    new Promise((resolve) =>
      child.on("close", (code, signal) => {
        // It was interrupted before it had begun to listen to that.
        resolve(code ?? (signal === "SIGINT" ? 130 : 1));
      }),
    )
  );
}

/**
 * Rejects with the signal's reason.
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(/** @type {Error} */ (signal.reason));
    });
    if (signal.aborted) reject(/** @type {Error} */ (signal.reason));
  });
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
 * Asks until the answer holds the text. Throws the signal's reason, or after the limit.
 * @param {string} url
 * @param {string} wanted
 * @param {AbortSignal} signal
 */
async function served(url, wanted, signal) {
  const limit = AbortSignal.timeout(servedLimitMs);
  const either = AbortSignal.any([signal, limit]);
  for (;;) {
    const text = await fetch(url, { signal: either })
      .then((answer) => answer.text())
      .catch(() => "");
    if (text.includes(wanted)) return;
    signal.throwIfAborted();
    if (limit.aborted)
      throw failure(
        `${url} does not serve ${wanted} within two minutes`,
        "npx devloop up shows what happens",
      );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
