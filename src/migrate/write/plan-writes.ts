import { sha256 } from "../../lib/sha256.js";
import type { OutputFile } from "../convert/output.js";
import { mergeLines } from "./merge-lines.js";

/** One generated file, to know it again. */
interface Version {
  readonly hash: string;
  /** Of texts without secrets: what a merge begins with. */
  readonly text?: string;
}

/** What was generated before: what tells an edit by hand from what the conversion changed. */
export interface WrittenFile extends Partial<Version> {
  /** What lies at PATH.new: once a person has removed that, it is what was generated before. */
  readonly beside?: Version;
}
export type Written = Readonly<Record<string, WrittenFile>>;

/** What happens to one file, and why, in words for people. */
export type WriteStep =
  | {
      readonly action: "create" | "replace" | "merge" | "beside";
      readonly path: string;
      readonly content: string | Uint8Array;
      readonly secret: boolean;
      readonly note?: string;
    }
  | { readonly action: "remove" | "leave"; readonly path: string; readonly note: string }
  | { readonly action: "equal"; readonly path: string };

/**
 * What to write so that the generated files are there and nothing that a person wrote is lost. `disk` is what is there
 * now, by path, `PATH.new` too; `beside` steps go to that. While it is there, the base of a merge stays what it was.
 */
export function planWrites(
  files: readonly OutputFile[],
  state: Written,
  disk: ReadonlyMap<string, Uint8Array>,
  { force }: { readonly force: boolean },
): { readonly steps: readonly WriteStep[]; readonly written: Written } {
  const generated = new Set(files.map(({ path }) => path));
  const before = (path: string) => baseOf(state[path], disk.has(besidePath(path)));
  const planned = files.map((file) => ({
    file,
    step: waits(state, disk, file, force)
      ? ({
          action: "beside",
          ...stepOf(file),
          note: `was edited by hand: ${besidePath(file.path)} waits to be merged, and to be removed then`,
        } satisfies WriteStep)
      : stepFor(file, before(file.path), disk.get(file.path), force),
  }));
  const gone = Object.keys(state)
    .filter((path) => !generated.has(path))
    .sort();
  const beside = new Set(planned.flatMap(({ file, step }) => (step.action === "beside" ? [file.path] : [])));
  return {
    steps: [
      ...planned.map(({ step }) => step),
      ...gone.flatMap((path) => removal(path, before(path), disk.get(path)) ?? []),
      ...Object.keys(state).flatMap((path) =>
        beside.has(path) ? [] : (settled(besidePath(path), state[path], disk) ?? []),
      ),
    ],
    written: Object.fromEntries(
      files.map((file): [string, WrittenFile] => {
        const version = versionOf(file);
        const base = beside.has(file.path) ? { ...before(file.path), beside: version } : version;
        return [file.path, base];
      }),
    ),
  };
}

/** Where the new version of a file goes that cannot be merged. */
export const besidePath = (path: string): string => `${path}.new`;

const stepOf = ({ path, content, secret = false }: OutputFile) => ({ path, content, secret });

/** What a merge begins with: what was beside the file before, when it is no more there. */
function baseOf(state: WrittenFile | undefined, hasBeside: boolean): WrittenFile | undefined {
  if (!hasBeside && state?.beside) return state.beside;
  if (state?.hash === undefined) return undefined;
  return { hash: state.hash, ...(state.text === undefined ? {} : { text: state.text }) };
}

/** Whether the new version lies beside the file since an earlier run, and a person has yet to merge it. */
function waits(
  state: Written,
  disk: ReadonlyMap<string, Uint8Array>,
  { path, content }: OutputFile,
  force: boolean,
): boolean {
  const there = disk.get(path);
  if (force || there === undefined || !state[path]?.beside || !disk.has(besidePath(path))) return false;
  return hashOf(there) !== hashOf(content);
}

/** The new version beside a file that needs it no more goes, as it is what was generated. */
function settled(
  path: string,
  state: WrittenFile | undefined,
  disk: ReadonlyMap<string, Uint8Array>,
): WriteStep | undefined {
  const there = disk.get(path);
  if (there === undefined || hashOf(there) !== state?.beside?.hash) return undefined;
  return { action: "remove", path, note: "nothing waits to be merged any more" };
}

function stepFor(
  file: OutputFile,
  before: WrittenFile | undefined,
  there: Uint8Array | undefined,
  force: boolean,
): WriteStep {
  const step = stepOf(file);
  const { path, content, secret } = step;
  const hash = hashOf(content);
  if (there === undefined) {
    // Secrets are not in the repository: a fresh clone has none.
    if (before === undefined || secret || force) return { action: "create", ...step };
    if (before.hash === hash)
      return { action: "leave", path, note: "was deleted by hand: not made again (--force does)" };
    return { action: "create", ...step, note: "was deleted by hand, and is another one now" };
  }
  const present = hashOf(there);
  if (present === hash) return { action: "equal", path };
  if (force || before?.hash === present) return { action: "replace", ...step };
  if (before?.hash === hash) return { action: "leave", path, note: "was edited by hand: left as it is" };
  return reconcile(step, before, there);
}

/** A person and the conversion both changed it. */
function reconcile(
  step: { readonly path: string; readonly content: string | Uint8Array; readonly secret: boolean },
  before: WrittenFile | undefined,
  there: Uint8Array,
): WriteStep {
  const beside = (note: string): WriteStep => ({ action: "beside", ...step, note });
  const ours = Buffer.from(there).toString("utf8");
  if (typeof step.content !== "string") return beside("was edited by hand: the new version lies beside it");
  if (step.secret && step.path.endsWith(".env")) return withNewVariables(step, ours);
  if (before === undefined)
    return beside("was there before, and is not of devloop migrate: the new version lies beside it");
  const merged = before.text === undefined ? undefined : mergeLines(before.text, ours, step.content);
  if (merged === undefined)
    return beside("was edited by hand where the conversion changed it too: the new version lies beside it");
  if (merged === ours)
    return { action: "leave", path: step.path, note: "was edited by hand, and has what is new already" };
  return {
    action: "merge",
    ...step,
    content: merged,
    note: "was edited by hand: what is new was merged into it",
  };
}

/** Values are the person's; variables that are new are put behind them. */
function withNewVariables(
  step: { readonly path: string; readonly content: string | Uint8Array; readonly secret: boolean },
  ours: string,
): WriteStep {
  const known = new Set(ours.split("\n").map((line) => line.split("=")[0]));
  const added = String(step.content)
    .split("\n")
    .filter((line) => line !== "" && !known.has(line.split("=")[0]));
  if (added.length === 0)
    return { action: "leave", path: step.path, note: "has values of its own: left as it is" };
  const content = `${ours.replace(/\n?$/, "\n")}${added.join("\n")}\n`;
  return { action: "merge", ...step, content, note: "has values of its own: new variables were added" };
}

function removal(
  path: string,
  before: WrittenFile | undefined,
  there: Uint8Array | undefined,
): WriteStep | undefined {
  if (there === undefined) return undefined;
  if (hashOf(there) === before?.hash)
    return { action: "remove", path, note: "nothing of the compose file comes to it any more" };
  return {
    action: "leave",
    path,
    note: "was edited by hand, and nothing of the compose file comes to it any more: remove it if it is not needed",
  };
}

function versionOf({ content, secret = false }: OutputFile): Version {
  return { hash: hashOf(content), ...(secret || typeof content !== "string" ? {} : { text: content }) };
}

const hashOf = (content: string | Uint8Array): string => sha256(Buffer.from(content));
