import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { extract } from "tar-stream";
import { api, shell, type TestCluster } from "./clusters.js";
import { until } from "./devloop.js";

/** What stands in a directory: by path, `file`, its executable bits and its SHA-256; `link` and its target; `directory`. */
export type Tree = Readonly<Record<string, string>>;

/** A container as the API server, or the engine, tells of it. */
export interface LiveContainer {
  readonly pod: string;
  readonly podUid: string;
  readonly name: string;
  /** The runtime's. */
  readonly id: string;
  readonly image: string;
  readonly restarts: number;
  readonly ready: boolean;
}
interface PodStatus {
  readonly containerStatuses?: readonly {
    readonly name: string;
    readonly image: string;
    readonly containerID?: string;
    readonly restartCount: number;
    readonly ready: boolean;
    readonly state?: { readonly running?: unknown };
  }[];
}

/** The running containers of an app's pods that are not on their way out, by pod and name. */
export async function containersOf(
  cluster: TestCluster,
  namespace: string,
  app: string,
): Promise<readonly LiveContainer[]> {
  const pods = (await api(cluster).pods(namespace)).filter((pod) => pod.metadata.labels?.["app"] === app);
  return pods
    .flatMap((pod) => {
      const { containerStatuses = [] } = (pod["status"] ?? {}) as PodStatus;
      return containerStatuses
        .filter(({ state }) => state?.running !== undefined)
        .map(({ name, image, containerID = "", restartCount, ready }) => ({
          pod: pod.metadata.name,
          podUid: pod.metadata.uid ?? "",
          name,
          id: containerID.replace(/^.*:\/\//, ""),
          image,
          restarts: restartCount,
          ready,
        }));
    })
    .sort((a, b) => `${a.pod} ${a.name}`.localeCompare(`${b.pod} ${b.name}`));
}

/** The container of an app that has one. */
export async function containerOf(
  cluster: TestCluster,
  namespace: string,
  app: string,
): Promise<LiveContainer> {
  return until(async () => {
    const found = await containersOf(cluster, namespace, app);
    return found.length === 1 && found[0];
  }, `the one container of ${app}`);
}

/** Runs a script on the container's machine with `$pid`, a process of the container, and its root directory at `$root`. Needs nothing in it. */
export async function inContainer(
  cluster: TestCluster,
  { id }: { id: string },
  script: string,
): Promise<string> {
  if (cluster.flavour === "docker") {
    const pid = (await shell("docker", "inspect", "--format", "{{.State.Pid}}", id)).trim();
    // By another container: the tests may be no root, and the engine's machine not this one.
    const beside = ["run", "--rm", "--privileged", "--pid=host", "--network=none", "busybox:1", "sh", "-c"];
    return shell("docker", ...beside, `pid=${pid}; root=/proc/$pid/root; ${script}`);
  }
  const find = `for each in $(grep -ls ${id} /proc/[0-9]*/cgroup); do
    pid=$(basename $(dirname $each)); root=/proc/$pid/root; ls $root >/dev/null 2>&1 && break; root=
  done; [ -n "$root" ] || exit 99`;
  return shell("docker", "exec", cluster.node, "sh", "-c", `${find}; ${script}`);
}

/** What stands in a container below `directory`, as the node's own tools or the engine see it: devloop and its agent have no part in it. */
export function treeIn(
  cluster: TestCluster,
  container: { readonly id: string },
  directory: string,
): Promise<Tree> {
  return cluster.flavour === "docker"
    ? treeByEngine(container, directory)
    : treeByNode(cluster, container, directory);
}

async function treeByNode(
  cluster: TestCluster,
  container: { readonly id: string },
  directory: string,
): Promise<Tree> {
  // Sums first: what is changed between the two shows as a difference, not as equal.
  const text = await inContainer(
    cluster,
    container,
    `cd $root${directory} && find . -type f -exec sha256sum -z {} + && printf '=\\0' && find . -mindepth 1 -printf '%y %m %P\\0%l\\0'`,
  );
  const [sums = "", found = ""] = text.split(/(?<=^|\0)=\0/);
  const hashes = new Map(
    sums
      .split("\0")
      .filter((line) => line !== "")
      .map((line) => [line.slice(68), line.slice(0, 64)]),
  );
  const entries: Record<string, string> = {};
  const fields = found.split("\0");
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, kind, mode = "0", path = ""] = /^(.) (\S+) ([^]*)$/.exec(fields[at]!) ?? [];
    if (kind === "f") entries[path] = fileText(Number.parseInt(mode, 8), hashes.get(path) ?? "vanished");
    else if (kind === "l") entries[path] = `link ${fields[at + 1]!}`;
    else entries[path] = kind === "d" ? "directory" : `kind ${kind ?? ""}`;
  }
  return entries;
}

/** By the archive that the engine makes of it. */
async function treeByEngine({ id }: { readonly id: string }, directory: string): Promise<Tree> {
  const copy = spawn("docker", ["cp", `${id}:${directory}`, "-"], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(copy, "close") as Promise<[number | null]>;
  const complaint = text(copy.stderr);
  const top = `${basename(directory)}/`;
  const entries: Record<string, string> = {};
  const archive = extract();
  copy.stdout.pipe(archive);
  for await (const entry of archive) {
    const { name, type, mode, linkname } = entry.header;
    const bytes = await buffer(entry);
    const path = name.slice(top.length).replace(/\/$/, "");
    if (path === "") continue;
    if (type === "file") entries[path] = fileText(mode, createHash("sha256").update(bytes).digest("hex"));
    else if (type === "symlink") entries[path] = `link ${linkname}`;
    else entries[path] = type === "directory" ? "directory" : `kind ${type}`;
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`docker cp: ${await complaint}`);
  return entries;
}

function fileText(mode: number, hash: string): string {
  return `file ${(mode & 0o111).toString(8)} ${hash}`;
}

/** What stands here below `directory`. */
export async function treeHere(directory: string): Promise<Tree> {
  const entries: Record<string, string> = {};
  // Not by readdir's own recursion, which goes through links to directories.
  const waiting = await readdir(directory);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const at = join(directory, path);
    const stats = await lstat(at);
    if (stats.isSymbolicLink()) entries[path] = `link ${await readlink(at)}`;
    else if (stats.isDirectory()) {
      entries[path] = "directory";
      for (const name of await readdir(at)) waiting.push(`${path}/${name}`);
    } else
      entries[path] = fileText(
        stats.mode,
        createHash("sha256")
          .update(await readFile(at))
          .digest("hex"),
      );
  }
  return entries;
}

/** The paths at which two trees differ, with what either holds. */
export function differences(here: Tree, there: Tree): Readonly<Record<string, readonly [string, string]>> {
  const paths = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort();
  return Object.fromEntries(
    paths
      .filter((path) => here[path] !== there[path])
      .map((path) => [path, [here[path] ?? "nothing", there[path] ?? "nothing"]]),
  );
}
