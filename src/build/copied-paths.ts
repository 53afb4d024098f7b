import { posix } from "node:path";
import { fixedPart, isPattern } from "../engine/sync-rules.js";
import { compileGlob, escapePattern } from "../lib/ignore-file.js";
import { looksLikeFile } from "../lib/looks-like-file.js";
import type { CopyStep } from "./dockerfile-steps.js";

/** One source of a COPY or ADD, and where docker puts it. */
export interface CopiedPath {
  readonly step: CopyStep;
  /** Of the context, as a sync rule's `src`; undefined for what comes from elsewhere. */
  readonly src?: string;
  /** Why changes of it cannot go the same way; absent where they can. */
  readonly opaque?: string;
  /** Its destination is a directory, also for a file. */
  readonly directory?: boolean;
  /** A file could go to the destination or, were that a directory, into it: only of a directory it is known. */
  readonly onlyDirectory?: true;
  /** What it writes; absent where that is not known: it may be anything. */
  readonly writes?: Written;
}

export interface Written {
  /** Absolute. */
  readonly path: string;
  /** `file`: that file alone. `tree`: names below that cannot be told. `either`: a file of that name, or a directory's content. */
  readonly kind: "file" | "tree" | "either";
}

/** Directories that an image is known to have, as far as its Dockerfile tells. */
export class KnownDirectories {
  readonly #paths = new Set(["/"]);
  readonly #possible = new Set<string>();

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  /** A copy went there that may have made it a directory. */
  isPossible(path: string): boolean {
    return this.#possible.has(path);
  }

  /** Takes in what a copy makes. */
  addWritten({ path, kind }: Written): void {
    this.add(kind === "tree" ? path : posix.dirname(path));
    if (kind === "either") this.#possible.add(path);
  }

  /** Takes a directory in, and all above it. */
  add(path: string): void {
    for (let at = path; !this.#paths.has(at); at = posix.dirname(at)) this.#paths.add(at);
  }
}

/** What a COPY or ADD brings in; the directories that it makes are known from then on. */
export function copiedPaths(step: CopyStep, directories: KnownDirectories): readonly CopiedPath[] {
  const { dest, flags, sources, heredocs } = step;
  const several = sources.length + heredocs.length > 1;
  // With --link docker does not look at what is there.
  const there = dest.kind === "known" && flags.get("link") !== "true" && directories.has(dest.path);
  const directory = dest.kind === "known" && (dest.directory || several || there);
  const at = (place: (path: string) => Written): { readonly writes?: Written } =>
    dest.kind === "known" ? { writes: place(dest.path) } : {};
  const somewhere = at((path) => ({ path, kind: directory ? "tree" : "either" }));
  const found = [
    ...heredocs.map((name): CopiedPath => ({ step, ...at((path) => fileIn(path, name, directory)) })),
    ...sources.map(({ text, unknown }): CopiedPath => {
      if (isRemote(step, text)) return { step, ...somewhere, opaque: "it is fetched from elsewhere" };
      const src = cleanSource(text);
      const place = at((path) => placeOf(path, text, directory));
      if (flags.has("from")) return { step, ...place };
      const opaque =
        unknown === undefined
          ? (sourceRefusal(step, src) ?? destRefusal(step, src, { directories, several }))
          : `its source depends on $${unknown}, which is not set in here`;
      if (opaque !== undefined) return { step, src, ...somewhere, opaque };
      const { writes } = place;
      const open = writes?.kind === "either" && mayBeDirectory(writes.path, directories);
      return { step, src, directory, ...place, ...(open ? { onlyDirectory: true } : {}) };
    }),
  ];
  for (const { writes } of found) if (writes !== undefined) directories.addWritten(writes);
  return found;
}

/** What a later copy takes of an earlier one: files of these patterns, or perhaps any. */
export type Overwritten =
  | { readonly kind: "none" }
  | { readonly kind: "part"; readonly pattern: string }
  | { readonly kind: "whole" };

/** Which files of a copied path are not in the image any more, or may not be, since a later copy wrote to their places. */
export function overwritten(earlier: CopiedPath, later: CopiedPath): Overwritten {
  const [mine, theirs] = [earlier.writes, later.writes];
  if (mine === undefined || theirs === undefined) return { kind: "whole" };
  const inside = below(mine.path, theirs.path);
  const above = below(theirs.path, mine.path);
  if (inside === undefined && (above === undefined || theirs.kind === "file")) return { kind: "none" };
  const place = inside === undefined ? mine.path : theirs.path;
  const source = sourceOf(earlier, place);
  // Both bring the same file, from the same place of the context.
  if (source !== undefined && source === sourceOf(later, place)) return { kind: "none" };
  if (inside === undefined || inside === "") return { kind: "whole" };
  if (mine.kind === "file") return { kind: "none" };
  const { src = "" } = earlier;
  const base = fixedPart(src);
  const taken = base === "" ? inside : `${base}/${inside}`;
  if (isPattern(src) && compileGlob(src)?.(taken) !== true) return { kind: "none" };
  return { kind: "part", pattern: escapePattern(taken) };
}

/** The part of a path below a directory, "" for the directory itself; undefined for what lies elsewhere. */
function below(directory: string, path: string): string | undefined {
  if (path === directory) return "";
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

/** The path in the context that a path in the image comes from; undefined where the copy does not tell. */
function sourceOf({ src, opaque, writes }: CopiedPath, path: string): string | undefined {
  if (src === undefined || opaque !== undefined || writes === undefined) return undefined;
  if (writes.kind === "file") return path === writes.path ? src : undefined;
  const inside = mayMatchDirectories(src) ? undefined : below(writes.path, path);
  return inside === undefined ? undefined : posix.join(fixedPart(src) || ".", inside);
}

/** The rule's dest for a copied path: with a slash where docker puts a file into that directory. */
export function ruleDest({ src, directory, step }: CopiedPath): string {
  if (step.dest.kind === "unknown") return "";
  const { path } = step.dest;
  return directory === true && src !== "." && path !== "/" ? `${path}/` : path;
}

/** Of a pattern: docker puts what a matching directory holds beside the matching files. */
export function mayMatchDirectories(src: string): boolean {
  return isPattern(src) && !/\.[A-Za-z0-9]+$/.test(src);
}

/** As docker reads a source: from the context's root, however many `..` stand before it. `.` is the context. */
export function cleanSource(text: string): string {
  const path = posix.join("/", text).slice(1).replace(/\/$/, "");
  // Go's `*` stays within a name, two of them too.
  return path === "" ? "." : path.replace(/\*{2,}/g, "*");
}

function fileIn(dest: string, name: string, directory: boolean): Written {
  return { path: directory ? posix.join(dest, name) : dest, kind: "file" };
}

/** Taken for a file or not, it only decides whether two copies can clash: the rule takes both as they come. */
function placeOf(dest: string, text: string, directory: boolean): Written {
  if (!isPattern(text) && looksLikeFile(text)) return fileIn(dest, posix.basename(text), directory);
  return { path: dest, kind: directory || cleanSource(text) === "." ? "tree" : "either" };
}

/** ADD fetches addresses and git repositories. */
function isRemote({ keyword }: CopyStep, source: string): boolean {
  return keyword === "ADD" && /^([a-z][a-z0-9+.-]*:\/\/|git@)/i.test(source);
}

const archive = /\.(tar|tar\.(gz|bz2|xz|zst|Z)|tgz|tbz2?|txz|tzst)$/;

function sourceRefusal({ keyword, flags }: CopyStep, src: string): string | undefined {
  const flag = [...flags.keys()].find((name) => !["from", "chown", "chmod", "link"].includes(name));
  if (flag !== undefined && flags.get(flag) !== "false") return `--${flag} decides what goes where`;
  if (!isPattern(src)) return keyword === "ADD" && archive.test(src) ? "ADD unpacks archives" : undefined;
  if (compileGlob(src) === undefined) return `${src} is a malformed pattern`;
  if (posix.dirname(src) !== (fixedPart(src) || "."))
    return `the directories that ${src} matches do not stand in the image`;
  return keyword === "ADD" && (mayMatchDirectories(src) || archive.test(src))
    ? "ADD unpacks the archives among them"
    : undefined;
}

function destRefusal(
  { dest, flags }: CopyStep,
  src: string,
  { directories, several }: { readonly directories: KnownDirectories; readonly several: boolean },
): string | undefined {
  if (dest.kind === "unknown") return dest.why;
  const file = !isPattern(src) && looksLikeFile(src);
  if (dest.path === "/" && !file) return "it goes to /";
  if (dest.directory || several || src === ".") return undefined;
  if (directories.has(dest.path)) {
    return flags.get("link") === "true" ? `--link may put it in the place of ${dest.path}` : undefined;
  }
  if (isPattern(src)) return `${dest.path} is a file or a directory: a slash at its end tells`;
  if (!file || !mayBeDirectory(dest.path, directories)) return undefined;
  return `${dest.path} may be a directory of the image: a slash at its end tells`;
}

function mayBeDirectory(path: string, directories: KnownDirectories): boolean {
  return !looksLikeFile(path) || directories.isPossible(path);
}
