/** What containerd keeps in a node, and what holds what: all that its own collection of garbage goes by. */
export interface NodeContents {
  /** Image names, and the digest that each leads to. */
  readonly names: ReadonlyMap<string, string>;
  /** By digest. */
  readonly blobs: ReadonlyMap<string, Blob>;
  /** By key; an image's are named after its stack of layers. */
  readonly snapshots: ReadonlyMap<string, Snapshot>;
}
interface Blob {
  readonly bytes: number;
  /** How long ago it was stored at most, in ms; coarse. */
  readonly ageMs: number;
  /** Blobs that it keeps: a manifest its config and layers. */
  readonly blobs: readonly string[];
  /** Snapshots that it keeps: a config the topmost of its image. */
  readonly snapshots: readonly string[];
}
interface Snapshot {
  readonly bytes: number;
  readonly parent?: string;
  /** A container's own, which keeps those below it whether their image is there or not. */
  readonly active: boolean;
}

/** Separates the tables in what `listContents` prints. */
const separator = "\x1e";

/** For runInNode: prints all tables that parseContents reads. */
export const listContents = `
snapshots() { client snapshots \${snapshotter:+--snapshotter "$snapshotter"} "$@"; }
client images ls && printf '\\036' && client content ls && printf '\\036' && snapshots ls && printf '\\036' && snapshots usage -b
`;

/** Reads the tables of `ctr images ls`, `content ls`, `snapshots ls` and `snapshots usage -b`, in this order. */
export function parseContents(text: string): NodeContents {
  const [images = "", content = "", snapshots = "", usage = ""] = text.split(separator);
  const sizes = new Map(rows(usage).map(([key = "", bytes]) => [key, Number(bytes) || 0]));
  return {
    names: new Map(rows(images).map(([name = "", , target = ""]) => [name, target])),
    blobs: new Map(content.split("\n").slice(1).flatMap(parseBlob)),
    snapshots: new Map(
      rows(snapshots).map((columns): [string, Snapshot] => {
        const [key = ""] = columns;
        const kind = columns.at(-1);
        const parent = columns.length > 2 ? columns[1] : undefined;
        return [
          key,
          {
            bytes: sizes.get(key) ?? 0,
            active: kind !== "Committed",
            ...(parent === undefined ? {} : { parent }),
          },
        ];
      }),
    ),
  };
}

/** All digests that stand for what a digest leads to: the manifests below an index, and the configs below those. */
export function digestsBelow({ blobs, names }: NodeContents, target: string): readonly string[] {
  const found = new Set([target]);
  // A set gives what is added on the way its turn too. Layers keep nothing, and are none of an image's names.
  for (const digest of found) {
    for (const below of blobs.get(digest)?.blobs ?? []) {
      const blob = blobs.get(below);
      if (blob && (blob.blobs.length > 0 || blob.snapshots.length > 0)) found.add(below);
    }
  }
  // Kubernetes' own name for an image is its config's digest.
  for (const [name, other] of names) if (other === target && name.startsWith("sha256:")) found.add(name);
  return [...found];
}

/** Bytes of all that these digests keep, content and unpacked. */
export function bytesBelow(contents: NodeContents, digests: Iterable<string>): number {
  return total(contents, reach(contents, digests, []));
}

/**
 * What these names hold in a node and no other name does: content, and the same unpacked. With `containersKeep` without
 * what containers go on using once the names are gone. Exact but for containerd's rounding of content to four digits.
 */
export function bytesOfNames(
  contents: NodeContents,
  gone: ReadonlySet<string>,
  { containersKeep }: { readonly containersKeep: boolean },
): number {
  const active = [...contents.snapshots].flatMap(([key, snapshot]) => (snapshot.active ? [key] : []));
  const roots = [...contents.names].flatMap(([name, target]) => (gone.has(name) ? [] : [target]));
  const leaving = [...contents.names].flatMap(([name, target]) => (gone.has(name) ? [target] : []));
  const kept = reach(contents, roots, containersKeep ? active : []);
  const left = reach(contents, leaving, []);
  return total(contents, {
    blobs: difference(left.blobs, kept.blobs),
    snapshots: difference(left.snapshots, kept.snapshots),
  });
}

interface Reached {
  readonly blobs: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
}

/** Everything that these keep, one by the other. */
function reach(contents: NodeContents, digests: Iterable<string>, keys: Iterable<string>): Reached {
  const blobs = new Set(digests);
  const snapshots = new Set(keys);
  for (const digest of blobs) {
    const blob = contents.blobs.get(digest);
    for (const below of blob?.blobs ?? []) blobs.add(below);
    for (const key of blob?.snapshots ?? []) snapshots.add(key);
  }
  for (const key of snapshots) {
    const parent = contents.snapshots.get(key)?.parent;
    if (parent !== undefined) snapshots.add(parent);
  }
  return { blobs, snapshots };
}

function total(contents: NodeContents, { blobs, snapshots }: Reached): number {
  let bytes = 0;
  for (const digest of blobs) bytes += contents.blobs.get(digest)?.bytes ?? 0;
  for (const key of snapshots) bytes += contents.snapshots.get(key)?.bytes ?? 0;
  return bytes;
}

function difference(all: ReadonlySet<string>, without: ReadonlySet<string>): Set<string> {
  return new Set([...all].filter((each) => !without.has(each)));
}

/** The rows of a table below its head, by columns. */
function rows(table: string): string[][] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([first]) => first !== undefined && first !== "");
}

function parseBlob(line: string): [string, Blob][] {
  const [digest = "", size = "", age = "", labels = ""] = line.split(/\t+/);
  if (digest === "") return [];
  const refs = [...labels.matchAll(/containerd\.io\/gc\.ref\.(content|snapshot)[^=,]*=([^,\s]+)/g)];
  const kept = (kind: string): string[] => refs.flatMap(([, of, key]) => (of === kind && key ? [key] : []));
  const blob = {
    bytes: parseSize(size),
    ageMs: parseAge(age),
    blobs: kept("content"),
    snapshots: kept("snapshot"),
  };
  return [[digest, blob]];
}

const units: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** `1.648kB` in bytes. */
function parseSize(text: string): number {
  const [, amount, unit = ""] = /^([\d.e+]+)\s*([kMGT]?B)$/.exec(text.trim()) ?? [];
  return Math.round(Number(amount ?? 0) * (units[unit] ?? 0));
}

const spans: Readonly<Record<string, number>> = {
  second: 1e3,
  minute: 60e3,
  hour: 3600e3,
  day: 86_400e3,
  week: 7 * 86_400e3,
  month: 30 * 86_400e3,
  year: 365 * 86_400e3,
};

/** `53 minutes`, `About an hour`, `Less than a second` in ms: the most that it may mean. */
function parseAge(text: string): number {
  const [, amount, unit = ""] = /(\d+|an?) (second|minute|hour|day|week|month|year)/.exec(text) ?? [];
  return ((Number(amount) || 1) + 1) * (spans[unit] ?? 0);
}
