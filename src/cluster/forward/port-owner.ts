import { readdir, readFile, readlink } from "node:fs/promises";

/** Who listens on a TCP port here, as "node (pid 123)". Undefined where the system does not tell: no Linux, not ours. */
export async function portOwner(port: number): Promise<string | undefined> {
  try {
    const inodes = new Set([
      ...(await listeningInodes("/proc/net/tcp", port)),
      ...(await listeningInodes("/proc/net/tcp6", port)),
    ]);
    if (inodes.size === 0) return undefined;
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      if (await holdsSocket(pid, inodes)) {
        return `${(await readFile(`/proc/${pid}/comm`, "utf8")).trim()} (pid ${pid})`;
      }
    }
  } catch {
    // Only a nicety of a message: no answer is an answer.
  }
  return undefined;
}

async function listeningInodes(file: string, port: number): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) && fields[3] === "0A")
    .map((fields) => fields[9] ?? "");
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  // Processes of other users, and those that just ended, cannot be looked into.
  const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const file of files) {
    const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}
