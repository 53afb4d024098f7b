import {
  keyPaths,
  pathKey,
  type ComposeOrigin,
  type ComposeProject,
  type ModelPath,
} from "../compose/model.js";

/** What became of a key. Only the last two are something to look after. */
export type Outcome = "converted" | "approximated" | "decision" | "dropped";

/** What became of one key path, in words: to what, how it differs, the options, or why not. */
export interface Statement {
  readonly outcome: Outcome;
  readonly text: string;
}

export interface ReportEntry extends Statement {
  readonly path: ModelPath;
  readonly origin: ComposeOrigin;
  /** The path whose statement this one repeats, when it is not its own. */
  readonly under?: ModelPath;
  /** A map or list that is told of key by key: the statement is only the gravest of those. */
  readonly parts?: true;
  /** It did its work while the files were read. */
  readonly done?: true;
  /** No rule spoke of it: a defect of the converter, told all the same. */
  readonly unclaimed?: true;
}

const gravity: Readonly<Record<Outcome, number>> = { converted: 0, approximated: 1, decision: 2, dropped: 3 };

/** The graver of two outcomes. */
export function graver(left: Outcome, right: Outcome): Outcome {
  return gravity[left] >= gravity[right] ? left : right;
}

/**
 * What the rules say of each key. A statement about a path holds for it and, where it is a list or map of plain
 * values, for those; `all` makes it hold for everything below.
 */
export class Ledger {
  readonly #statements = new Map<string, Statement & { readonly all: boolean }>();

  say(outcome: Outcome, path: ModelPath, text: string): void {
    this.#put(path, { outcome, text, all: false });
  }

  sayAll(outcome: Outcome, path: ModelPath, text: string): void {
    this.#put(path, { outcome, text, all: true });
  }

  /** Takes the place of what was said of the path and of all below it. */
  sayInstead(outcome: Outcome, path: ModelPath, text: string): void {
    for (const key of [...this.#statements.keys()]) {
      const inside = JSON.parse(key) as ModelPath;
      if (pathKey(inside.slice(0, path.length)) === pathKey(path)) this.#statements.delete(key);
    }
    this.#put(path, { outcome, text, all: true });
  }

  /** The graver statement wins; of equal ones the first. */
  #put(path: ModelPath, statement: Statement & { readonly all: boolean }): void {
    const key = pathKey(path);
    const before = this.#statements.get(key);
    if (!before || gravity[before.outcome] < gravity[statement.outcome]) this.#statements.set(key, statement);
    else if (before.outcome === statement.outcome && before.text !== statement.text)
      this.#statements.set(key, { ...before, text: `${before.text}; ${statement.text}` });
  }

  /** One entry for each key path of the project, what is absorbed included: no key goes without. */
  entries(project: ComposeProject): readonly ReportEntry[] {
    const placed = [...keyPaths(project)];
    const children = new Map<string, ModelPath[]>();
    for (const { path } of placed) {
      const above = pathKey(path.slice(0, -1));
      children.set(above, [...(children.get(above) ?? []), path]);
    }
    const found = new Map<string, ReportEntry>();
    // Children before what holds them: those come first in the order of paths.
    for (const { path, origin } of placed.toReversed()) {
      const parts = (children.get(pathKey(path)) ?? []).flatMap((child) => found.get(pathKey(child)) ?? []);
      found.set(pathKey(path), {
        path,
        origin,
        ...this.#statementOf(path, parts, () => isEmpty(project, path)),
      });
    }
    return [
      ...placed.flatMap(({ path }) => found.get(pathKey(path)) ?? []),
      ...project.absorbed.map(({ path, origin, why }): ReportEntry => ({
        path,
        origin,
        ...absorbedTexts[why],
        ...(why === "applied" || why === "merged" ? { done: true as const } : {}),
      })),
    ];
  }

  #statementOf(
    path: ModelPath,
    parts: readonly ReportEntry[],
    isEmpty: () => boolean,
  ): Statement & Pick<ReportEntry, "under" | "parts" | "unclaimed"> {
    const own = this.#statements.get(pathKey(path));
    // What a rule says of a key holds of what is in it: `ulimits: {}` loses nothing.
    if (own && isField(path) && isEmpty()) return empty;
    if (own) return { outcome: own.outcome, text: own.text };
    const extended = path.findIndex((part) => typeof part === "string" && part.startsWith("x-"));
    if (extended === path.length - 1) return extension;
    for (let length = path.length - 1; length > 0; length--) {
      const under = path.slice(0, length);
      const above = this.#statements.get(pathKey(under));
      if (above && (above.all || (length === path.length - 1 && parts.length === 0))) {
        return isEmpty() ? { ...empty, under } : { outcome: above.outcome, text: above.text, under };
      }
    }
    if (extended !== -1) return { ...extension, under: path.slice(0, extended + 1) };
    if (parts.length === 0) return isEmpty() ? empty : unclaimed;
    const outcome = parts.map((part) => part.outcome).reduce(graver, "converted");
    return { outcome, text: "see its keys", parts: true };
  }
}

/** Whether a path is that of a key of a service, network or volume for which nothing in it is the same as none at all. */
const isField = (path: ModelPath): boolean =>
  path.length === 3 && path[2] !== "entrypoint" && path[2] !== "command";

const unclaimed = {
  outcome: "dropped",
  text: "devloop has no rule for this key",
  unclaimed: true,
} as const;

const empty = { outcome: "converted", text: "there is nothing in it" } as const;

const extension = {
  outcome: "converted",
  text: "an extension: Compose itself does nothing with it",
} as const;

const absorbedTexts = {
  applied: { outcome: "converted", text: "has done its work: what it brought stands in the model" },
  merged: { outcome: "converted", text: "merged into what a file before has here" },
  replaced: { outcome: "converted", text: "another value, set later, takes its place" },
  reset: { outcome: "converted", text: "taken away by !reset or !override" },
  empty: { outcome: "converted", text: "empty: Compose takes it for one that is not given" },
} as const satisfies Readonly<Record<string, Statement>>;

/** Whether a map or list with nothing in it stands there, or one of empty lists alone: `ipam: {config: []}`. */
function isEmpty(project: ComposeProject, path: ModelPath): boolean {
  let at: unknown = project;
  for (const part of path) {
    if (typeof at !== "object" || at === null) return false;
    at = (at as Readonly<Record<string | number, unknown>>)[part];
  }
  const isNothing = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
  return isNothing(at) || (isMapping(at) && Object.values(at).every(isNothing));
}

function isMapping(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
