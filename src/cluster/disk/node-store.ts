import type { ContainerEngine } from "../../engine/container-engine.js";
import { runInNode } from "../load/containerd.js";
import { readBuildTag } from "./build-tag.js";
import type { Amount, ImageStore, StoredImage } from "./image-store.js";
import {
  bytesBelow,
  bytesOfNames,
  digestsBelow,
  listContents,
  type NodeContents,
  parseContents,
} from "./node-contents.js";

/** Removes names, then prints those that are there, and after a separator what went wrong. */
const removeNames = `
words=$(client images rm --sync "$@" 2>&1 >/dev/null)
client images ls -q && printf '\\036%s' "$words"
`;

/** Reads what a node holds, in one exec. Throws NODE_UNREACHABLE. */
export async function readNodeStore(
  engine: ContainerEngine,
  node: string,
  { signal, now = Date.now }: { readonly signal: AbortSignal; readonly now?: () => number },
): Promise<ImageStore> {
  const contents = parseContents(await runInNode(engine, node, listContents, { signal }));
  const measure = (some: readonly StoredImage[], containersKeep: boolean): Amount => ({
    bytes: bytesOfNames(contents, withOwnNames(contents, some), { containersKeep }),
    exact: true,
  });
  return {
    place: node,
    images: [...contents.names].flatMap(([ref, target]) => builtImage(contents, node, ref, target, now())),
    held: (some) => measure(some, false),
    freed: (gone) => measure(gone, true),
    async remove(gone, { signal }) {
      if (gone.length === 0) return [];
      const names = [...withOwnNames(contents, gone)];
      // By exact name with containerd's client: Kubernetes' own (crictl rmi) takes away all names of an image, also those
      // that somebody else gave it. The kubelet follows what containerd tells.
      signal.throwIfAborted();
      // An abort would let go of the program, which goes on: whoever aborts is told once it has ended.
      const { signal: toTheEnd } = new AbortController();
      // --sync: containerd collects what nobody names any more at once, not after its next hundred changes.
      const answer = await runInNode(engine, node, removeNames, { args: names, signal: toTheEnd });
      const [list = "", words = ""] = answer.split("\x1e");
      const left = new Set(list.split("\n").map((line) => line.trim()));
      const message = words.trim().split("\n").at(-1) ?? "";
      return gone.flatMap((image) =>
        left.has(image.ref)
          ? [{ image, reason: "refused" as const, message: message || "containerd did not say why" }]
          : [],
      );
    },
  };
}

function builtImage(
  contents: NodeContents,
  place: string,
  ref: string,
  target: string,
  now: number,
): readonly StoredImage[] {
  const ids = digestsBelow(contents, target);
  const built = readBuildTag(ref, ids);
  if (!built) return [];
  const age = contents.blobs.get(target)?.ageMs;
  const usedAt = age === undefined ? 0 : now - age;
  return [{ ...built, place, ref, ids, usedAt, bytes: bytesBelow(contents, [target]) }];
}

/** The names to remove, and Kubernetes' own name (the config's digest) of each image that keeps no other. */
function withOwnNames(contents: NodeContents, gone: readonly StoredImage[]): ReadonlySet<string> {
  const names = new Set(gone.map(({ ref }) => ref));
  const targets = new Map<string, string[]>();
  for (const [name, target] of contents.names) targets.set(target, [...(targets.get(target) ?? []), name]);
  for (const all of targets.values()) {
    const given = all.filter((name) => !name.startsWith("sha256:"));
    if (given.length === 0 || !given.every((name) => names.has(name))) continue;
    for (const name of all) names.add(name);
  }
  return names;
}
