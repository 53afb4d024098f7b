import { readdir, readFile } from "node:fs/promises";

/** Command lines of the processes on this machine that carry this variable: of a command and all that it started. */
export async function processesWith(name: string, value: string): Promise<string[]> {
  return find("environ", (text) => text.includes(`${name}=${value}\0`));
}

/** Processes on this machine that sleep for exactly this long: what a cancelled build must not leave. */
export async function sleeping(seconds: string): Promise<string[]> {
  return find("cmdline", (text) => text.includes("sleep") && text.includes(seconds));
}

async function find(file: "environ" | "cmdline", matches: (text: string) => boolean): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((each) => /^\d+$/.test(each))) {
    // It may have ended by now.
    const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
    if (matches(await read(file))) found.push((await read("cmdline")).replaceAll("\0", " ").trim());
  }
  return found;
}
