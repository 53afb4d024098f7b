import type { ControlClient } from "../control/client.js";
import type { LoopIdentity } from "../control/protocol.js";
import { askWho } from "../control/find-loop.js";
import { isAlive } from "../lib/is-alive.js";
import { pause } from "../lib/pause.js";
import { DevloopError } from "../lib/errors.js";
import { findRunning } from "./find-running.js";
import type { ProjectOptions } from "./session/session.js";

export interface RequestOptions extends ProjectOptions {
  readonly signal: AbortSignal;
}

/** What a person asks of the running loop, by the command's name. */
export function requestCommand(
  name: "trigger" | "restart" | "pause" | "resume" | "sync" | "focus" | "stop",
  words: readonly string[],
  options: RequestOptions,
): Promise<number> {
  switch (name) {
    case "trigger":
      return triggerCommand(words[0], options);
    case "restart":
      return restartCommand(words[0], options);
    case "pause":
    case "resume":
      return pauseCommand(name, options);
    case "sync":
      return syncCommand(words, options);
    case "focus":
      return focusCommand(words, options);
    case "stop":
      return stopCommand(options);
  }
}

/** `devloop trigger [RESOURCE]`: builds an image again, or applies a deploy; everything without a name. */
async function triggerCommand(resource: string | undefined, options: RequestOptions): Promise<number> {
  const { client, identity } = await findRunning(options);
  await client.ask("trigger", resource === undefined ? {} : { resource }, options);
  say(`${identity.project}: asked to rebuild ${resource ?? "everything"}`);
  return 0;
}

/** `devloop restart WORKLOAD`: its processes start anew. Throws USAGE without one. */
async function restartCommand(workload: string | undefined, options: RequestOptions): Promise<number> {
  if (workload === undefined)
    throw new DevloopError("USAGE", "restart needs a workload", { hint: "devloop restart web" });
  const { client, identity } = await findRunning(options);
  await client.ask("restart", { workload }, options);
  say(`${identity.project}: asked to restart ${workload}`);
  return 0;
}

/** `devloop pause` and `devloop resume`. */
async function pauseCommand(name: "pause" | "resume", options: RequestOptions): Promise<number> {
  const { client, identity } = await findRunning(options);
  await client.ask(name, {}, options);
  say(`${identity.project}: ${name === "pause" ? "paused; changes are noticed and wait" : "goes on"}`);
  return 0;
}

/** `devloop sync on|off [IMAGE]`. Throws USAGE for another word. */
async function syncCommand(words: readonly string[], options: RequestOptions): Promise<number> {
  const [switched, image] = words;
  if (switched !== "on" && switched !== "off")
    throw new DevloopError("USAGE", "sync takes on or off", { hint: "devloop sync off web" });
  const { client, identity } = await findRunning(options);
  await client.ask("sync", { on: switched === "on", ...(image === undefined ? {} : { image }) }, options);
  const what = switched === "on" ? "on" : "off; edits of synced files wait";
  say(`${identity.project}: sync${image === undefined ? "" : ` of ${image}`} is ${what}`);
  return 0;
}

/** `devloop focus [IMAGE…]`: only these follow edits; all of them without a name. */
async function focusCommand(images: readonly string[], options: RequestOptions): Promise<number> {
  const { client, identity } = await findRunning(options);
  await client.ask("focus", { images: [...images] }, options);
  say(
    `${identity.project}: ${images.length === 0 ? "everything follows" : `only ${images.join(", ")} follow`} edits`,
  );
  return 0;
}

/** `devloop stop`: ends the loop and waits until its process is gone; what is deployed keeps running but for a loop with --cleanup. */
async function stopCommand(options: RequestOptions): Promise<number> {
  const { client, identity } = await findRunning(options);
  await stopLoop(client, identity, options);
  say(
    identity.cleanup
      ? `the loop of ${identity.project} has ended, and what it deployed went with it (--cleanup)`
      : `the loop of ${identity.project} has ended; what is deployed keeps running, devloop down removes it`,
  );
  return 0;
}

/** How long a loop may take to end, in ms: an apply under way gets five seconds, and one with --cleanup waits for its pods' end. */
const longestEndMs = 120_000;
/** How long its process may outlive its socket, in ms. */
const longestExitMs = 500;

async function stopLoop(
  client: ControlClient,
  { pid, project }: LoopIdentity,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  await client.ask("stop", {}, { signal });
  const deadline = Date.now() + longestEndMs;
  while ((await askWho(client.socket)).kind === "answers") {
    if (Date.now() > deadline)
      throw new DevloopError("TIMEOUT", `the loop of ${project} does not end`, { hint: `kill ${pid}` });
    await pause(20, { signal });
  }
  // The socket goes last but for the process itself; one whose parent does not ask for its end stays a shadow for long.
  const exit = Date.now() + longestExitMs;
  while (isAlive(pid) && Date.now() < exit) await pause(20, { signal });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
