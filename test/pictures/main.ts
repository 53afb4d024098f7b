// npm run pictures -- DIRECTORY: pictures of a real run, of the project in DIRECTORY, into docs/pictures/.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { openTestTerminal } from "../ui/terminal.js";
import { svgOf } from "./svg.js";

const run = promisify(execFile);
const cli = new URL("../../dist/cli.js", import.meta.url).pathname;
const out = new URL("../../docs/pictures/", import.meta.url).pathname;
const [columns, rows] = [110, 30];

const [directory = "examples/monitor"] = process.argv.slice(2);
const socket = `devloop-pictures-${randomUUID()}`;
const env: NodeJS.ProcessEnv = { ...process.env };
delete env["CI"];
const tmux = async (...args: string[]): Promise<string> =>
  (await run("tmux", ["-L", socket, "-f", "/dev/null", ...args], { cwd: directory, env })).stdout;

/** The keys of each picture, and what stands there when it can be taken. */
const pictures: readonly (readonly [name: string, keys: readonly string[], shows: RegExp])[] = [
  ["overview", [], /● ready in/],
  ["workload", ["G", "k", "2"], /events/],
  ["timings", ["6"], /apply/],
  ["palette", [":", "l", "o", "g"], /: log/],
];

await tmux("new-session", "-d", "-x", String(columns), "-y", String(rows), process.execPath, cli, "up");
try {
  await mkdir(out, { recursive: true });
  for (const [name, keys, shows] of pictures) {
    for (const key of keys) await tmux("send-keys", key);
    await see(shows);
    // What follows the moment, such as the next log lines, belongs to it.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const terminal = openTestTerminal(columns, rows);
    const text = (await tmux("capture-pane", "-p", "-e")).trimEnd().replaceAll("\n", "\r\n");
    await new Promise<void>((resolve) => {
      terminal.model.write(text, resolve);
    });
    await writeFile(`${out}${name}.svg`, svgOf(terminal));
    console.log(`${out}${name}.svg`);
  }
} finally {
  await tmux("send-keys", "Escape", "q");
  await new Promise((resolve) => setTimeout(resolve, 5000));
  await tmux("kill-server").catch(() => undefined);
}

async function see(shows: RegExp): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!shows.test(await tmux("capture-pane", "-p"))) {
    if (Date.now() > deadline) throw new Error(`not on the screen: ${shows.source}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
