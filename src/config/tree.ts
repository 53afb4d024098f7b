import type { Span } from "../lib/source.js";
import { readYaml, type ReadYaml } from "../lib/yaml-tree.js";

// devloop.yaml as a tree of our own: aliases and merge keys resolved, each value with its place in the file.

export type VariableOrigin = "environment" | ".env" | "default";
export interface Variable {
  readonly name: string;
  readonly from: VariableOrigin;
}

interface Placed {
  readonly span: Span;
  /** The profile that the value comes from. */
  readonly profile?: string;
}
export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The text as it stands in the file, quotes and escapes resolved: `1.10` for the number 1.1. */
  readonly text: string;
  /** The variables that its text was made of. */
  readonly variables?: readonly Variable[];
  /** A variable of an inactive profile is not set: the value is not known and not checked. */
  readonly unresolved?: true;
}
export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}
export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}
export interface MapEntry {
  readonly key: Span;
  readonly value: ConfigNode;
}
export type ConfigNode = ScalarNode | ListNode | MapNode;

/** Parses devloop.yaml's text. The tree is whole only when there are no problems. */
export function readTree(text: string): {
  readonly root: ConfigNode;
  readonly problems: ReadYaml["problems"];
} {
  const { roots, problems } = readYaml(text);
  return {
    root: roots[0] ?? { kind: "scalar", value: null, text: "", span: { start: 0, end: 0 } },
    problems,
  };
}
