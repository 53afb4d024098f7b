import { Document, Pair, Scalar, YAMLMap, YAMLSeq, type Node } from "yaml";
import { isList, isMap, Noted, type Tree } from "../tree.js";

/** The tree as a YAML file; notes are comments above what they are about, `head` stands on top. */
export function yamlFile(tree: Tree, head?: string): string {
  // Quotes whatever YAML 1.1 would read as something else ("on", "1_000"): kustomize and kubectl still do.
  const document = new Document(undefined, { version: "1.1" });
  document.contents = nodeOf(tree);
  if (head !== undefined) document.commentBefore = commentLines(head);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function nodeOf(tree: Tree): Node {
  if (tree instanceof Noted) return commented(nodeOf(tree.value), tree.note);
  if (isList(tree)) {
    const list = new YAMLSeq();
    list.items = tree.map(nodeOf);
    list.flow = tree.length === 0;
    return list;
  }
  if (!isMap(tree)) return new Scalar(tree);
  const map = new YAMLMap();
  for (const [key, value] of Object.entries(tree)) {
    if (value === undefined) continue;
    const name = new Scalar(key);
    if (value instanceof Noted) commented(name, value.note);
    map.items.push(new Pair(name, nodeOf(value instanceof Noted ? value.value : value)));
  }
  map.flow = map.items.length === 0;
  return map;
}

function commented<T extends Node>(node: T, note: string): T {
  node.commentBefore = commentLines(note);
  return node;
}

const commentLines = (note: string): string =>
  note
    .split("\n")
    .map((line) => ` ${line}`)
    .join("\n");
