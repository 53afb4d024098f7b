import { posix } from "node:path";
import { expandArgs, unquote } from "./dockerfile-args.js";
import { word, type Instruction } from "./dockerfile-parse.js";
import type { DockerfileStages, Stage } from "./dockerfile-stages.js";

/** A text with its variables filled in; `unknown` names what may be set by the base image, so that the text is a guess. */
export interface Expanded {
  readonly text: string;
  readonly unknown?: string;
}

/** What an instruction does to an image's files. */
export type StageStep = { readonly line: number } & (
  | { readonly kind: "workdir"; readonly path: string }
  /** `mounts`: the paths of the context that it binds. */
  | { readonly kind: "run"; readonly mounts: readonly Expanded[] }
  | CopyStep
);

export interface CopyStep {
  readonly kind: "copy";
  readonly line: number;
  readonly keyword: "COPY" | "ADD";
  /** `--chmod=755` is chmod to 755, `--link` link to "true". */
  readonly flags: ReadonlyMap<string, string>;
  /** As written, variables filled in; heredocs are in `heredocs`. */
  readonly sources: readonly Expanded[];
  /** The names of the files whose text stands in the Dockerfile. */
  readonly heredocs: readonly string[];
  readonly dest: CopyDest;
}

/** Where a COPY or ADD writes to. */
export type CopyDest =
  /** Absolute; `directory`: it ends with a slash or dot, so that it is one. */
  | { readonly kind: "known"; readonly path: string; readonly directory: boolean }
  | { readonly kind: "unknown"; readonly why: string };

/** What the instructions so far have set. */
interface Scope {
  readonly values: Readonly<Record<string, string>>;
  /** Undefined: the base image's own. */
  readonly workdir: string | undefined;
  /** Nothing comes from a base image: what is not set here is not set. */
  readonly scratch: boolean;
}

/** The steps of a stage and of those it is FROM: each stage's own, the first one's first. */
export function stageSteps(
  dockerfile: DockerfileStages,
  index: number,
  args: Readonly<Record<string, string>>,
): readonly (readonly StageStep[])[] {
  return walk(dockerfile, index, args).steps;
}

/** The stages that a stage is FROM and itself, the first one first. */
export function stageChain(stages: readonly Stage[], index: number): readonly Stage[] {
  const stage = stages[index];
  const base = stage?.references[0]?.stage;
  return stage === undefined ? [] : [...(base === undefined ? [] : stageChain(stages, base)), stage];
}

function walk(
  dockerfile: DockerfileStages,
  index: number,
  args: Readonly<Record<string, string>>,
): { readonly steps: readonly (readonly StageStep[])[]; readonly scope: Scope } {
  const stage = dockerfile.stages[index];
  const from = stage?.references[0];
  const base = from?.stage === undefined ? undefined : walk(dockerfile, from.stage, args);
  const scratch = from?.ref === "scratch";
  const start = base?.scope ?? { values: {}, workdir: scratch ? "/" : undefined, scratch };
  const triggers = from?.stage === undefined ? [] : onBuild(dockerfile.stages[from.stage]);
  const reader = new StepReader(dockerfile, args, start);
  const own = [...triggers, ...(stage?.instructions ?? [])].flatMap((instruction) =>
    reader.read(instruction),
  );
  return { steps: [...(base?.steps ?? []), own], scope: reader.scope };
}

/** A stage's ONBUILD instructions: they run where another stage is made from it. */
function onBuild(stage: Stage | undefined): readonly Instruction[] {
  return (stage?.instructions ?? []).flatMap((instruction) => {
    if (instruction.keyword !== "ONBUILD") return [];
    const [, keyword = "", text = ""] = /^(\S+)\s*(.*)$/s.exec(instruction.text) ?? [];
    return [{ ...instruction, keyword: keyword.toUpperCase(), text }];
  });
}

/** Reads a stage's instructions in their order: later ones see what earlier ones set. */
class StepReader {
  constructor(
    private readonly dockerfile: DockerfileStages,
    private readonly args: Readonly<Record<string, string>>,
    public scope: Scope,
  ) {}

  read(instruction: Instruction): readonly StageStep[] {
    const line = instruction.startLine;
    switch (instruction.keyword) {
      case "ARG":
        for (const text of assignments(instruction.text, this.dockerfile.escape)) this.#declare(text);
        return [];
      case "ENV":
        this.#setEnv(instruction.text);
        return [];
      case "WORKDIR":
        return this.#enter(instruction.text, line);
      case "RUN":
        return [{ kind: "run", line, mounts: this.#mounts(instruction.text) }];
      case "COPY":
      case "ADD":
        return this.#copy(instruction.keyword, instruction.text, line);
      default:
        return [];
    }
  }

  #declare(text: string): void {
    const [name = "", ...rest] = text.split("=");
    const given = Object.hasOwn(this.args, name) ? this.args[name] : undefined;
    const byDefault = rest.length > 0 ? this.#expand(rest.join("=")) : undefined;
    const value = given ?? byDefault?.text ?? this.dockerfile.globals[name];
    // A default made of what is not known is not known either.
    if (value === undefined) return;
    this.#set(name, given === undefined && byDefault?.unknown !== undefined ? undefined : value);
  }

  /** `NAME=value NAME="other value"`, or `NAME value` as before; all are filled in from what stood before the line. */
  #setEnv(text: string): void {
    const [, name = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
    const pairs: readonly (readonly [string, string])[] = name.includes("=")
      ? assignments(text, this.dockerfile.escape).map((pair) => splitOnce(pair))
      : [[name, rest]];
    const values = pairs.map(([key, raw]) => ({ key, value: this.#expand(raw) }));
    for (const { key, value } of values) this.#set(key, value.unknown === undefined ? value.text : undefined);
  }

  #set(name: string, value: string | undefined): void {
    const others = Object.entries(this.scope.values).filter(([key]) => key !== name);
    const values = Object.fromEntries(value === undefined ? others : [...others, [name, value]]);
    this.scope = { ...this.scope, values };
  }

  #enter(raw: string, line: number): readonly StageStep[] {
    const { text, unknown } = this.#expand(raw.trim());
    const { workdir } = this.scope;
    const path = text.startsWith("/") ? text : workdir === undefined ? undefined : posix.join(workdir, text);
    if (unknown !== undefined || path === undefined) {
      this.scope = { ...this.scope, workdir: undefined };
      return [];
    }
    const clean = withoutSlash(posix.normalize(path));
    this.scope = { ...this.scope, workdir: clean };
    return [{ kind: "workdir", line, path: clean }];
  }

  #mounts(text: string): readonly Expanded[] {
    return leadingFlags(text).flags.flatMap(({ name, value }) => {
      if (name !== "mount") return [];
      const options = new Map(value.split(",").map((option) => splitOnce(option)));
      const type = options.get("type") ?? "bind";
      if (type !== "bind" || options.has("from")) return [];
      return [this.#expand(options.get("source") ?? options.get("src") ?? ".")];
    });
  }

  #copy(keyword: "COPY" | "ADD", text: string, line: number): readonly StageStep[] {
    const { flags, rest } = leadingFlags(text);
    const words = jsonWords(rest) ?? rest.split(/\s+/).filter((part) => part !== "");
    const dest = words.pop();
    if (dest === undefined) return [];
    const heredocs = words.flatMap((part) => heredocName(part) ?? []);
    const sources = words.filter((part) => heredocName(part) === undefined).map((part) => this.#expand(part));
    const values = new Map(flags.map(({ name, value }) => [name, this.#expand(value).text]));
    return [
      { kind: "copy", line, keyword, flags: values, sources, heredocs, dest: this.#dest(this.#expand(dest)) },
    ];
  }

  #dest({ text, unknown }: Expanded): CopyDest {
    if (unknown !== undefined) {
      return { kind: "unknown", why: `its destination depends on $${unknown}, which is not set in here` };
    }
    const { workdir } = this.scope;
    const absolute = text.startsWith("/");
    if (!absolute && workdir === undefined) {
      return { kind: "unknown", why: "its destination is relative, and no WORKDIR in here says to what" };
    }
    const path = posix.normalize(absolute ? text : posix.join(workdir ?? "/", text));
    return { kind: "known", path: withoutSlash(path), directory: /(^|\/)\.?$/.test(text) };
  }

  #expand(raw: string): Expanded {
    let unknown: string | undefined;
    const text = expandArgs(raw, this.scope.values, this.dockerfile.escape, (name) => (unknown ??= name));
    return unknown === undefined || this.scope.scratch ? { text } : { text, unknown };
  }
}

interface Flag {
  readonly name: string;
  readonly value: string;
}

/** The flags that an instruction begins with, and what follows them. */
function leadingFlags(text: string): { readonly flags: readonly Flag[]; readonly rest: string } {
  const flags: Flag[] = [];
  let rest = text.trimStart();
  for (;;) {
    const found = rest.startsWith("--") ? rest.match(word)?.[0] : undefined;
    if (found === undefined) return { flags, rest };
    const [name, value] = splitOnce(found.slice(2), "true");
    flags.push({ name, value: unquote(value) });
    rest = rest.slice(found.length).trimStart();
  }
}

function splitOnce(text: string, absent = ""): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  return at === -1 ? [text, absent] : [text.slice(0, at), text.slice(at + 1)];
}

/** `["a", "b"]` as words; undefined for what is not a list of texts: it is words as it stands. */
function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) && words.every((part) => typeof part === "string") ? words : undefined;
  } catch {
    return undefined;
  }
}

function heredocName(part: string): string | undefined {
  const name = /^\d*<<-?([^<]+)$/.exec(part)?.[1];
  return name === undefined ? undefined : unquote(name);
}

/** `A=1 B="x y" C=x\ y` in its parts. */
function assignments(text: string, escape: string): readonly string[] {
  const one = escape === "`" ? "`" : "\\\\";
  const part = new RegExp(`(?:${one}.|"(?:${one}.|[^"])*"|'[^']*'|\\S)+`, "gs");
  return text.match(part) ?? [];
}

function withoutSlash(path: string): string {
  return path.replace(/(.)\/$/, "$1");
}
