import { errorName } from "./agent-errno.js";
import type { Agent, Found } from "./agent-types.js";
import { formerPlaces, type Place, stepsTo, type SyncTree } from "./tree.js";

/** Asks the container what stands at these places. */
export async function askHeld(
  agent: Agent,
  places: ReadonlyMap<string, Place>,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const byRoot = new Map<string, [dest: string, place: Place][]>();
  for (const entry of places) {
    const { root } = entry[1];
    byRoot.set(root, [...(byRoot.get(root) ?? []), entry]);
  }
  const held = new Map<string, string>();
  for (const [root, entries] of byRoot) {
    const found = await agent.query(
      root,
      entries.map(([, { path }]) => path),
      { signal },
    );
    for (const [at, [dest]] of entries.entries()) {
      const fingerprint = fingerprintOf(found[at] ?? { kind: "missing" });
      if (fingerprint !== undefined) held.set(dest, fingerprint);
    }
  }
  return held;
}

/** In the same form as a file's here; undefined where nothing stands. */
function fingerprintOf(found: Found): string | undefined {
  switch (found.kind) {
    case "missing":
      return undefined;
    case "file":
      return `${(found.mode & 0o111).toString(8)} ${found.sha256}`;
    case "link":
      return `link ${found.target}`;
    case "unreadable":
      // Below a link nothing is looked for: what was below a directory there is gone with it.
      return errorName(found.errno) === "ELOOP" ? undefined : found.kind;
    default:
      return found.kind;
  }
}

/** The places in a container that do not hold what they are to hold, sorted. `former` are names that may have stood there. */
export async function differences(
  agent: Agent,
  tree: SyncTree,
  former: Iterable<string>,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { wanted } = tree;
  const gone = formerPlaces(tree, former);
  const held = await askHeld(agent, new Map<string, Place>([...gone, ...wanted]), signal);
  return (
    stepsTo(wanted, held, gone)
      // A directory that left here stays there as long as the container has files of its own in it.
      .filter((step) => step.do === "put" || held.get(step.dest) !== "directory")
      .map(({ dest }) => dest)
      .sort()
  );
}
