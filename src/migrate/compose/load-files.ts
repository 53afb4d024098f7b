import { absolutePaths } from "./absolute-paths.js";
import { canonical } from "./canonical.js";
import { checkShape } from "./check.js";
import { checkResources, fillDefaults } from "./defaults.js";
import type { Environment } from "./environment.js";
import { applyExtends } from "./extends.js";
import { applyIncludes } from "./include.js";
import { resolveOwn } from "./own-environment.js";
import { interpolateNode } from "./interpolate.js";
import { absorbTree, applyResets, mergeNodes } from "./merge.js";
import type { UnsetVariable, Via } from "./model.js";
import {
  getEntry,
  isNull,
  withoutEntry,
  type Absorb,
  type MapNode,
  type Node,
  type Place,
  type Report,
  type Visit,
} from "./node.js";
import type { ProblemList } from "./problems.js";
import { readDocuments, type FileReader, type ReadDocument } from "./read-file.js";
import { fileShape } from "./schema.js";
import { uniqueItems } from "./unique.js";

/** What holds for all files of a load. */
export interface LoadRun {
  readonly reader: FileReader;
  readonly problems: ProblemList;
  readonly report: Report;
  readonly absorb: Absorb;
  readonly unset: (variable: UnsetVariable) => void;
  readonly home: string | undefined;
  readonly signal: AbortSignal;
}

/** What holds for the files of a project, or of one that it includes. */
export interface FileSet {
  readonly run: LoadRun;
  /** Absolute path of the directory that relative paths count from. */
  readonly directory: string;
  readonly environment: Environment;
  /** How the files came here: what included them. */
  readonly via: readonly Via[];
  /** The index of the first file, or the one that all files belong to. */
  readonly layer: (index: number) => number;
  /** The files that include these, outermost first. */
  readonly including: readonly string[];
}

const nothing: MapNode = { kind: "map", place: { kind: "default" }, entries: new Map() };

/**
 * The model of a project's files: merged, in the long form, with defaults and absolute paths. Problems that the next
 * step could not go on with end it; the others are gathered.
 */
export async function loadFiles(files: readonly string[], set: FileSet): Promise<MapNode> {
  let merged: MapNode = nothing;
  for (const [index, file] of files.entries()) {
    const source = await set.run.reader.read(file);
    const visit = { source, layer: set.layer(index), via: set.via };
    for (const document of documentsOf(visit, set)) merged = await addDocument(merged, document, visit, set);
    set.run.problems.throwIfAny();
  }
  const filled = asMap(fillDefaults(merged));
  checkResources(filled, set.run.report);
  const absolute = absolutePaths(filled, { directory: set.directory, home: set.run.home });
  return resolveOwn(asMap(absolute), set.environment);
}

/** A file's documents with their variables replaced. */
export function documentsOf(visit: Visit, { run, environment }: FileSet): readonly ReadDocument[] {
  const documents = readDocuments(visit, run.report, run.absorb);
  run.problems.throwIfAny();
  return documents.map(({ root, resets }) => ({
    root: interpolateNode(root, {
      lookup: environment.lookup,
      report: run.report,
      unset: run.unset,
    }),
    resets,
  }));
}

async function addDocument(
  below: MapNode,
  document: ReadDocument,
  visit: Visit,
  set: FileSet,
): Promise<MapNode> {
  const { run } = set;
  if (isNull(document.root)) return below;
  if (document.root.kind !== "map") {
    run.report(document.root.place, "the top level must be a map of keys");
    return below;
  }
  const extended = await applyExtends(document.root, document.resets, visit, set);
  const reset = applyResets(below, document.resets, run.absorb);
  const included = await applyIncludes(extended, visit, set);
  const merged = reset === nothing || isEmpty(reset) ? included : mergeNodes(reset, included, run);
  return finish(asMap(merged), included.place, run, true);
}

function isEmpty(node: Node): boolean {
  return node.kind === "map" && node.entries.size === 0;
}

/** What follows every merge: each thing once, what cannot stand told, and the long form. */
export function finish(merged: MapNode, place: Place, run: LoadRun, checked: boolean): MapNode {
  const once = uniqueItems(merged, run);
  if (checked) {
    checkShape(once, fileShape, [], run.report, place);
    run.problems.throwIfAny();
  }
  const plain = withoutVersion(asMap(once), run.absorb);
  const long = canonical(plain, run);
  // The long form tells what the short one hid: a port of a range stands beside itself.
  return asMap(uniqueItems(withoutEmptyDns(long), run));
}

function withoutVersion(node: MapNode, absorb: Absorb): MapNode {
  const version = getEntry(node, "version");
  if (!version) return node;
  absorbTree(version.value, ["version"], version.key, "applied", absorb);
  return withoutEntry(node, "version");
}

/** Compose leaves out empty name servers: what a variable that is not set makes of them. */
function withoutEmptyDns(node: Node): Node {
  const services = getEntry(node, "services");
  if (node.kind !== "map" || services?.value.kind !== "map") return node;
  const entries = new Map(services.value.entries);
  for (const [name, service] of entries) {
    const dns = getEntry(service.value, "dns");
    if (service.value.kind !== "map" || dns?.value.kind !== "list") continue;
    const items = dns.value.items.filter((item) => item.kind !== "scalar" || item.text !== "");
    const changed = new Map(service.value.entries).set("dns", { ...dns, value: { ...dns.value, items } });
    entries.set(name, { ...service, value: { ...service.value, entries: changed } });
  }
  const value = { ...services.value, entries };
  return { ...node, entries: new Map(node.entries).set("services", { ...services, value }) };
}

export function asMap(node: Node): MapNode {
  if (node.kind !== "map") throw new Error(`a ${node.kind} stands where only a map can`);
  return node;
}
