import { realpath } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { changeByRules } from "./defaults.js";
import { get, itemsOf, textOf, withEntry, withText, type MapNode, type Node } from "./node.js";
import { pathRules } from "./path-rules.js";

export interface PathContext {
  /** Absolute path of the directory that relative paths count from. */
  readonly directory: string;
  /** What `~` stands for; undefined: it stays. */
  readonly home: string | undefined;
}

/** The tree with absolute paths. */
export function absolutePaths(node: Node, context: PathContext): Node {
  const path = (value: Node): Node => changeText(value, (text) => absolutePath(text, context));
  const maybeUnix = (value: Node): Node => changeText(value, (text) => unixPath(text, context));
  const buildContext = (value: Node): Node =>
    changeText(value, (text) => (isRemoteContext(text) ? text : absolutePath(text, context)));
  return changeByRules(
    node,
    pathRules<(value: Node) => Node>({
      "services.*.build.context": buildContext,
      "services.*.build.additional_contexts.*": buildContext,
      "services.*.build.ssh.*": maybeUnix,
      "services.*.env_file.*.path": path,
      "services.*.label_file.*": path,
      "services.*.extends.file": path,
      "services.*.develop.watch.*.path": path,
      "services.*.volumes.*": (value) =>
        value.kind === "map" && textOf(get(value, "type")) === "bind"
          ? changeEntry(value, "source", maybeUnix)
          : value,
      "configs.*.file": maybeUnix,
      "secrets.*.file": maybeUnix,
      "volumes.*": (value) => bindDevice(value, maybeUnix),
    }),
  );
}

function changeText(node: Node, change: (text: string) => string): Node {
  if (node.kind !== "scalar" || typeof node.value !== "string") return node;
  const changed = change(node.value);
  return changed === node.value ? node : { ...withText(node, changed), raw: node.raw ?? node.text };
}

function changeEntry(node: MapNode, name: string, change: (value: Node) => Node): MapNode {
  const value = get(node, name);
  return value ? withEntry(node, name, change(value)) : node;
}

/** A local volume whose options say bind is a directory of this machine. */
function bindDevice(node: Node, change: (value: Node) => Node): Node {
  const options = get(node, "driver_opts");
  if (node.kind !== "map" || options?.kind !== "map") return node;
  if (textOf(get(node, "driver")) !== "local" || textOf(get(options, "o")) !== "bind") return node;
  return withEntry(node, "driver_opts", changeEntry(options, "device", change));
}

/** The path as seen from the directory; an empty one stays. */
export function absolutePath(path: string, { directory, home }: PathContext): string {
  const expanded = path.startsWith("~") && home !== undefined ? join(home, path.slice(1)) : path;
  if (expanded === "" || isAbsolute(expanded)) return expanded;
  return withoutEndSlash(join(directory, expanded));
}

/** A path that may be one of Windows: then it is absolute already. */
function unixPath(path: string, context: PathContext): string {
  if (/^[A-Za-z]:[\\/]/.test(path) || path.startsWith("\\\\")) return path;
  return path === "" ? context.directory : absolutePath(path, context);
}

function withoutEndSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function isRemoteContext(context: string): boolean {
  return (
    context.includes("://") ||
    ["service:", "github.com/", "git@"].some((prefix) => context.startsWith(prefix))
  );
}

/** A service with links in its watched paths followed, as far as they are there: changes have the real path. */
export async function withRealWatchPaths(service: MapNode): Promise<MapNode> {
  const real = new Map<string, string>();
  for (const rule of itemsOf(get(service, "develop", "watch"))) {
    const path = textOf(get(rule, "path"));
    if (path !== undefined) real.set(path, await realPath(path));
  }
  if (real.size === 0) return service;
  const change = (node: Node): Node => changeText(node, (text) => real.get(text) ?? text);
  const rules = pathRules<(node: Node) => Node>({ "develop.watch.*.path": change });
  return { ...service, ...changeByRules(service, rules) } as MapNode;
}

async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    // Not there yet: watched under the name that it will have.
    return path;
  }
}
