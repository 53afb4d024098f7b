// What can stand where in a compose file, and what the model makes of it. One table (schema.ts) says both, so that
// what is checked and what is read cannot differ.

/** Text. `also` are the other kinds of value that are taken for their text. */
export interface TextShape {
  readonly kind: "text";
  readonly oneOf?: readonly string[];
  readonly pattern?: RegExp;
  readonly also?: readonly ("number" | "boolean" | "null")[];
}
/** True or false, or a text that says so: variables only make texts. `strict`: no text. */
export interface FlagShape {
  readonly kind: "flag";
  readonly strict?: true;
}
/** A number, or a text that is one. `strict`: no text. */
export interface NumberShape {
  readonly kind: "number";
  readonly whole: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly strict?: true;
  /** A word that stands for a number. */
  readonly words?: Readonly<Record<string, number>>;
}
/** `64m`, or a number of bytes unless `textOnly`. */
export interface BytesShape {
  readonly kind: "bytes";
  readonly textOnly?: true;
}
/** `1m30s`. */
export interface DurationShape {
  readonly kind: "duration";
}
/** Permission bits: a number, or a text of octal digits. */
export interface ModeShape {
  readonly kind: "mode";
}
/** Arguments: a list, or a text that is split as a shell would, or nothing. */
export interface CommandShape {
  readonly kind: "command";
}
/** A list. `single`: one item can stand without it. `unique`: no two items are equal. */
export interface ListShape {
  readonly kind: "list";
  readonly of: Shape;
  readonly unique?: true;
  readonly single?: true;
}
/** A map of known keys, and `x-…`. */
export interface MapShape {
  readonly kind: "map";
  readonly keys: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  /** Nothing at all is an empty map. */
  readonly nullable?: true;
  /** No `x-…` here. */
  readonly closed?: true;
}
/** A map whose keys are the user's. `nulls`: entries may have nothing in them, and keep it or are empty maps. */
export interface DictShape {
  readonly kind: "dict";
  readonly of: Shape;
  readonly key?: RegExp;
  readonly nulls?: "kept" | "maps";
  /** A list of names is a map of them with nothing in them. */
  readonly names?: true;
}
/** `KEY: value` or `- KEY=value`. `nulls`: a key without a value is null, or an empty text. */
export interface PairsShape {
  readonly kind: "pairs";
  readonly nulls: "kept" | "empty";
}
/** `host: address` or `- host=address`. */
export interface HostsShape {
  readonly kind: "hosts";
}
/** One of several, told apart by being a scalar, a list or a map. */
export interface ChoiceShape {
  readonly kind: "choice";
  readonly of: readonly Shape[];
}
/** Anything at all. */
export interface AnyShape {
  readonly kind: "any";
}

export type Shape =
  | TextShape
  | FlagShape
  | NumberShape
  | BytesShape
  | DurationShape
  | ModeShape
  | CommandShape
  | ListShape
  | MapShape
  | DictShape
  | PairsShape
  | HostsShape
  | ChoiceShape
  | AnyShape;

export const text: TextShape = { kind: "text" };
export const flag: FlagShape = { kind: "flag" };
export const whole: NumberShape = { kind: "number", whole: true };
export const decimal: NumberShape = { kind: "number", whole: false };
export const bytes: BytesShape = { kind: "bytes" };
export const duration: DurationShape = { kind: "duration" };
export const command: CommandShape = { kind: "command" };
export const any: AnyShape = { kind: "any" };
export const texts: ListShape = { kind: "list", of: text };
export const uniqueTexts: ListShape = { kind: "list", of: text, unique: true };
/** A list of texts, or one of them alone. */
export const textOrList: ListShape = { kind: "list", of: text, unique: true, single: true };
/** Values keep being absent: environment and build arguments. */
export const environmentPairs: PairsShape = { kind: "pairs", nulls: "kept" };
/** Labels and the like: no value is an empty one. */
export const pairs: PairsShape = { kind: "pairs", nulls: "empty" };
export const hosts: HostsShape = { kind: "hosts" };
/** Driver options and the like. */
export const options: DictShape = { kind: "dict", of: { kind: "text", also: ["number"] }, key: /^.+$/ };

export function oneOf(...values: readonly string[]): TextShape {
  return { kind: "text", oneOf: values };
}
export function list(of: Shape): ListShape {
  return { kind: "list", of };
}
export function map(
  keys: Readonly<Record<string, Shape>>,
  rest: Omit<MapShape, "kind" | "keys"> = {},
): MapShape {
  return { kind: "map", keys, ...rest };
}
export function choice(...of: readonly Shape[]): ChoiceShape {
  return { kind: "choice", of };
}
