import { canonical } from "./canonical.js";
import { checkShape } from "./check.js";
import type { FileSet, LoadRun } from "./file-set.js";
import { interpolateNode } from "./interpolate.js";
import { absorbTree } from "./merge.js";
import {
  asMap,
  getEntry,
  withoutEntry,
  type Absorb,
  type MapNode,
  type Node,
  type Place,
  type Visit,
} from "./node.js";
import { readDocuments, type ReadDocument } from "./read-file.js";
import { fileShape } from "./schema.js";
import { uniqueItems } from "./unique.js";

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
