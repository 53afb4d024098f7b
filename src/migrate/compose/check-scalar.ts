import { nearest } from "../../lib/nearest.js";
import type { Node } from "./node.js";
import { parseBytes, parseDuration, parseFlag, parseMode } from "./quantities.js";
import type { NumberShape, Shape, TextShape } from "./shape.js";

export interface Wrong {
  readonly message: string;
  readonly hint?: string;
}
type ScalarShape = Extract<Shape, { kind: "text" | "flag" | "number" | "bytes" | "duration" | "mode" }>;

/** What is wrong with a value that is to be a scalar of this shape; undefined when nothing is. */
export function scalarProblem(node: Node, shape: ScalarShape): Wrong | undefined {
  if (node.kind !== "scalar") return { message: `expected ${wanted(shape)}, got ${described(node)}` };
  const { value, text } = node;
  switch (shape.kind) {
    case "text":
      return textProblem(node, shape);
    case "flag":
      if (typeof value === "boolean") return undefined;
      if (typeof value === "string" && !shape.strict && parseFlag(value) !== undefined) return undefined;
      return { message: `expected true or false, got ${described(node)}` };
    case "number":
      return numberProblem(node, shape);
    case "bytes":
      if (typeof value === "number" && Number.isInteger(value) && !shape.textOnly) return undefined;
      if (typeof value === "string" && parseBytes(value) !== undefined) return undefined;
      return {
        message: `expected a size, got ${described(node)}`,
        hint: 'sizes are written as "64m" or "1g"',
      };
    case "duration":
      if (typeof value === "string" && parseDuration(value) !== undefined) return undefined;
      return { message: `expected a time, got ${described(node)}`, hint: 'times are written as "1m30s"' };
    case "mode":
      if (typeof value === "number" || (typeof value === "string" && parseMode(text) !== undefined))
        return undefined;
      return { message: `expected permission bits, got ${described(node)}`, hint: "write them as 0440" };
  }
}

function textProblem(node: Node & { kind: "scalar" }, shape: TextShape): Wrong | undefined {
  const { value, text } = node;
  const kind = value === null ? "null" : typeof value;
  if (kind !== "string" && !shape.also?.includes(kind as "number" | "boolean" | "null")) {
    const hint = value === null ? "give it a value, or take the key away" : `put quotes around it: "${text}"`;
    return { message: `expected text, got ${described(node)}`, hint };
  }
  if (shape.oneOf && !shape.oneOf.includes(text)) {
    const near = nearest(text, shape.oneOf);
    const suggestion = near === undefined ? "" : ` — did you mean "${near}"?`;
    return {
      message: `"${text}" is not one of ${shape.oneOf.join(", ")}${suggestion}`,
    };
  }
  if (shape.pattern?.test(text) === false) return { message: `"${text}" cannot stand here` };
  return undefined;
}

function numberProblem(node: Node & { kind: "scalar" }, shape: NumberShape): Wrong | undefined {
  const { value, text } = node;
  const kind = shape.whole ? "a whole number" : "a number";
  const number = numberOf(node, shape);
  if (number === undefined || (shape.strict && typeof value === "string")) {
    return { message: `expected ${kind}, got ${described(node)}` };
  }
  if (shape.min !== undefined && number < shape.min)
    return { message: `${text} must be at least ${shape.min}` };
  if (shape.max !== undefined && number > shape.max)
    return { message: `${text} must be at most ${shape.max}` };
  return undefined;
}

/** The number that a scalar is or says, undefined when it is none. */
export function numberOf(node: Node & { kind: "scalar" }, shape: NumberShape): number | undefined {
  const { value } = node;
  if (typeof value === "number") return shape.whole && !Number.isInteger(value) ? undefined : value;
  if (typeof value !== "string") return undefined;
  const word = shape.words?.[value.toLowerCase()];
  if (word !== undefined) return word;
  const known = shape.whole ? /^[-+]?\d+$/ : /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/;
  return known.test(value) ? Number(value) : undefined;
}

/** A value as messages tell it. */
export function described(node: Node): string {
  if (node.kind !== "scalar") return node.kind === "list" ? "a list" : "a map";
  if (node.value === null) return "nothing";
  const shown = node.text.length > 40 ? `${node.text.slice(0, 40)}…` : node.text;
  if (typeof node.value === "string") return `text "${shown}"`;
  return typeof node.value === "number" ? `the number ${shown}` : shown;
}

/** What a shape takes, as messages tell it. */
export function wanted(shape: Shape): string {
  if (shape.kind === "map" || shape.kind === "dict") return "a map";
  if (shape.kind === "list") return "a list";
  return shape.kind === "flag" ? "true or false" : shape.kind === "number" ? "a number" : "text";
}
