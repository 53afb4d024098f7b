import { dirname, join, isAbsolute, resolve } from "node:path";
import { defaultEnvFiles, isFile } from "./environment.js";
import { isRemote } from "./find-files.js";
import { filePlace } from "./interpolate.js";
import { absorbTree } from "./merge.js";
import {
  entriesOf,
  get,
  getEntry,
  isNull,
  itemsOf,
  sameValue,
  textOf,
  withEntry,
  withoutEntry,
  type MapNode,
  type Node,
  type Visit,
} from "./node.js";
import { listOf } from "./pairs.js";
import type { FileSet } from "./file-set.js";

const kinds = ["services", "volumes", "networks", "secrets", "configs", "models"];

type LoadFiles = (files: readonly string[], set: FileSet) => Promise<MapNode>;

/** The file's tree with what it includes beside its own. Each included project is loaded by itself before, by `load`. */
export async function applyIncludes(
  root: MapNode,
  visit: Visit,
  set: FileSet,
  load: LoadFiles,
): Promise<MapNode> {
  const include = getEntry(root, "include");
  if (!include) return root;
  const { run } = set;
  if (include.value.kind !== "list") {
    if (!isNull(include.value)) run.report(include.value.place, "include: expected a list");
    run.problems.throwIfAny();
    return withoutEntry(root, "include");
  }
  absorbTree(include.value, ["include"], include.key, "applied", run.absorb);
  let tree = withoutEntry(root, "include");
  for (const item of include.value.items) {
    const imported = await loadIncluded(item, visit, set, load);
    if (imported) tree = addImported(tree, imported, set);
  }
  run.problems.throwIfAny();
  return tree;
}

async function loadIncluded(
  item: Node,
  visit: Visit,
  set: FileSet,
  load: LoadFiles,
): Promise<MapNode | undefined> {
  const { run } = set;
  const paths = textsOf(item.kind === "scalar" ? item : get(item, "path"));
  const files = await filesOf(item, paths, set);
  const [main] = files ?? [];
  const including = [...set.including, visit.source.file];
  if (!files || main === undefined) return undefined;
  if (including.includes(main)) {
    const shown = [...including, main].map((file) => run.reader.shown(file)).join(" includes ");
    run.report(item.place, `files include each other in a circle: ${shown}`);
    return undefined;
  }
  const own = textOf(get(item, "project_directory"));
  const directory = own === undefined ? dirname(main) : resolve(set.directory, own);
  const envFiles = await envFilesOf(item, directory, set);
  if (!envFiles) return undefined;
  const place = filePlace(item.place);
  return load(files, {
    ...set,
    directory,
    environment: await set.environment.withFiles(envFiles, run.reader, run.report),
    via: place ? [...visit.via, { kind: "include", ...place }] : visit.via,
    layer: () => visit.layer,
    including,
  });
}

function textsOf(node: Node | undefined): readonly Node[] {
  return node ? itemsOf(listOf(node)) : [];
}

async function filesOf(
  item: Node,
  paths: readonly Node[],
  { run, directory }: FileSet,
): Promise<readonly string[] | undefined> {
  if (paths.length === 0) {
    run.report(item.place, "include: names no file");
    return undefined;
  }
  const files: string[] = [];
  for (const path of paths) {
    const named = textOf(path) ?? "";
    const file = resolve(directory, named);
    if (isRemote(named)) {
      run.report(
        path.place,
        `${named} is not a file of this machine`,
        "fetch it first, and name the local copy",
      );
    } else if (await run.reader.has(file)) {
      files.push(file);
    } else {
      run.report(path.place, `there is no file ${named}`);
    }
  }
  return files.length === paths.length ? files : undefined;
}

async function envFilesOf(
  item: Node,
  directory: string,
  set: FileSet,
): Promise<readonly string[] | undefined> {
  const named = textsOf(get(item, "env_file"));
  if (named.length === 0) return defaultEnvFiles(directory);
  const files: string[] = [];
  for (const node of named) {
    const text = textOf(node) ?? "";
    const file = isAbsolute(text) ? text : join(set.directory, text);
    // /dev/null is how one says: none.
    if (file === "/dev/null") continue;
    if (await isFile(file)) files.push(file);
    else set.run.report(node.place, `there is no file ${text}`);
  }
  return files.length === named.filter((node) => textOf(node) !== "/dev/null").length ? files : undefined;
}

function addImported(root: MapNode, imported: MapNode, { run }: FileSet): MapNode {
  for (const [name, { key, value }] of imported.entries) {
    // An included project's own name and extensions end with it.
    if (!kinds.includes(name)) absorbTree(value, [name], key, "applied", run.absorb);
    else if (getEntry(root, name)) run.absorb([name], key, "merged");
  }
  return kinds.reduce((tree, kind) => {
    const from = get(imported, kind);
    if (!from || isNull(from)) return tree;
    const own = get(tree, kind);
    const entries = new Map(entriesOf(own));
    for (const [name, entry] of entriesOf(from)) {
      const known = entries.get(name);
      if (!known) entries.set(name, entry);
      else if (sameValue(known.value, entry.value)) {
        absorbTree(entry.value, [kind, name], entry.key, "merged", run.absorb);
      } else {
        const message = `${kind}.${name} is here and in an included file, and they differ`;
        const place = known.key.kind === "file" ? known.key : entry.key;
        run.report(
          place,
          message,
          "set what differs in an override file, or name that beside the path in include",
        );
      }
    }
    const place = own && !isNull(own) ? own.place : from.place;
    const key = getEntry(tree, kind)?.key ?? getEntry(imported, kind)?.key ?? from.place;
    return withEntry(tree, kind, { kind: "map", place, entries }, key);
  }, root);
}
