import { absolutePaths } from "./absolute-paths.js";
import { checkResources, fillDefaults } from "./defaults.js";
import { documentsOf, finish } from "./document.js";
import { applyExtends } from "./extends.js";
import type { FileSet } from "./file-set.js";
import { applyIncludes } from "./include.js";
import { applyResets, mergeNodes } from "./merge.js";
import { asMap, isNull, type MapNode, type Node, type Visit } from "./node.js";
import { resolveOwn } from "./own-environment.js";
import type { ReadDocument } from "./read-file.js";

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
  const included = await applyIncludes(extended, visit, set, loadFiles);
  const merged = reset === nothing || isEmpty(reset) ? included : mergeNodes(reset, included, run);
  return finish(asMap(merged), included.place, run, true);
}

function isEmpty(node: Node): boolean {
  return node.kind === "map" && node.entries.size === 0;
}
