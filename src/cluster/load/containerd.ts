import type { Readable } from "node:stream";
import type { LoadImage } from "../../engine/target.js";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { startDeadline } from "../../lib/deadline.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import type { NodeRef } from "../providers/nodes.js";

/** What containerd lists in a node: image names, and the digest that each leads to. */
export type Listing = ReadonlyMap<string, string>;

/** How long a node may take to answer a question, in ms: it takes some 80. */
const answerTimeoutMs = 20_000;

/**
 * `client` in a node's shell: containerd's own client, on Kubernetes' images. k3s keeps its socket in a place of its own,
 * and may have the client as a subcommand only. `list NAME ID` prints the two entries that tell whether an image is there.
 */
const prelude = `
socket=/run/k3s/containerd/containerd.sock
[ -S $socket ] && export CONTAINERD_ADDRESS=$socket
client() {
  if command -v ctr >/dev/null 2>&1; then ctr --namespace k8s.io "$@"; else k3s ctr --namespace k8s.io "$@"; fi
}
list() { client images ls "name==$1" "name==$2"; }
`;

/** `snapshotter`: the one that the node's images are unpacked with; empty for containerd's own choice. */
const findSnapshotter = `
snapshotter=$(sed -n "s/^ *snapshotter *= *[\\"']\\([a-z0-9.-]*\\)[\\"'].*/\\1/p" \\
  /etc/containerd/config.toml /var/lib/rancher/k3s/agent/etc/containerd/config.toml 2>/dev/null | head -n 1)
`;

/**
 * The import tells no platform unless the image is not the node's own: "--all-platforms" fails on an index whose other
 * platforms are not in the archive, which is what engines with the containerd image store write. No "--digests": the
 * names it makes keep every image for ever. The listing is repeated for a second until Kubernetes has taken notice of the
 * image (its entry is named like the id), so that a pod that starts at once finds it.
 */
const importScript = `${prelude}${findSnapshotter}
client images import \${snapshotter:+--snapshotter "$snapshotter"} \${3:+--platform "$3"} - >&2 || exit
tries=0
while listing=$(list "$1" "$2") || exit; do
  case $listing in *"$2"*) break ;; esac
  tries=$((tries + 1))
  [ $tries -lt 10 ] || break
  sleep 0.05
done
printf '%s\\n' "$listing"
`;

/** Prints documents one after another, each followed by a record separator; one that is not there as nothing. */
const contentScript = `${prelude}
for digest in "$@"; do client content get "$digest"; printf '\\036'; done
`;

/** What a node lists for an image, in one exec. Throws NODE_UNREACHABLE. */
export async function readListing(
  engine: ContainerEngine,
  node: string,
  image: LoadImage,
  { signal }: { readonly signal: AbortSignal },
): Promise<Listing> {
  const argv = ["sh", "-c", `${prelude}list "$@"`, "sh", containerdName(image.ref), image.imageId];
  return parseListing(await ask(engine, node, argv, { signal }));
}

/** By node, the digests of all that its content store holds. Throws for a containerd that does not tell. */
export async function readContents(
  engine: ContainerEngine,
  nodes: readonly NodeRef[],
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly ReadonlySet<string>[]> {
  const argv = ["sh", "-c", `${prelude}client content ls -q`];
  return await Promise.all(
    nodes.map(async ({ name }) => {
      const text = await ask(engine, name, argv, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        // Not NODE_UNREACHABLE: it has answered a moment ago, and a whole load asks it nothing of the kind.
        throw new Error(`node ${name} does not tell what it has: ${errorText(error)}`, { cause: error });
      });
      return new Set(text.split("\n").map((line) => line.trim()));
    }),
  );
}

/**
 * Imports an archive (docker save) into a node and returns what the node lists for the image then, in one exec.
 * `platform` is given for an image that is not for the node's own. Throws LOAD_FAILED with containerd's own words.
 */
export async function importArchive(
  engine: ContainerEngine,
  node: string,
  image: LoadImage,
  options: { readonly archive: Readable; readonly platform?: string; readonly signal: AbortSignal },
): Promise<Listing> {
  const { archive, platform = "", signal } = options;
  const argv = ["sh", "-c", importScript, "sh", containerdName(image.ref), image.imageId, platform];
  const { exitCode, stdout, stderr } = await engine.exec(node, argv, { stdin: archive, signal });
  if (exitCode === 0) return parseListing(stdout);
  const words = lastLines(stderr);
  throw new DevloopError(
    isDown(words) ? "NODE_UNREACHABLE" : "LOAD_FAILED",
    words || `exit code ${exitCode}`,
  );
}

/**
 * Runs a script in a node's shell and returns what it prints. `client` is containerd's own client there, on Kubernetes'
 * images, and `snapshotter` what they are unpacked with. Throws NODE_UNREACHABLE.
 */
export async function runInNode(
  engine: ContainerEngine,
  node: string,
  script: string,
  { args = [], signal }: { readonly args?: readonly string[]; readonly signal: AbortSignal },
): Promise<string> {
  return await ask(engine, node, ["sh", "-c", `${prelude}${findSnapshotter}${script}`, "sh", ...args], {
    signal,
  });
}

/** All digests that stand for what a name leads to: its target's, and the manifests' and configs' below it. */
export async function readDigests(
  engine: ContainerEngine,
  node: string,
  target: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const [top = nothing] = await readDocuments(engine, node, [target], { signal });
  if (top.manifests.length === 0) return [target, ...top.configs];
  // Manifests of other platforms need not be there.
  const inner = await readDocuments(engine, node, top.manifests, { signal });
  return [target, ...top.manifests, ...inner.flatMap(({ configs }) => configs)];
}

/** The name that containerd knows an image by: the registry and `library/` written out, `latest` where no tag is given. */
export function containerdName(ref: string): string {
  const tagged = ref.lastIndexOf(":") > ref.lastIndexOf("/") || ref.includes("@") ? ref : `${ref}:latest`;
  const slash = tagged.indexOf("/");
  const host = tagged.slice(0, Math.max(slash, 0));
  if (host === "index.docker.io") return containerdName(tagged.slice(slash + 1));
  if (host === "docker.io") {
    const path = tagged.slice(slash + 1);
    return path.includes("/") ? tagged : `docker.io/library/${path}`;
  }
  if (host === "localhost" || /[.:]/.test(host)) return tagged;
  return slash < 0 ? `docker.io/library/${tagged}` : `docker.io/${tagged}`;
}

/** Reads the table that `ctr images ls` prints: name, type and digest are its first three columns. */
export function parseListing(text: string): Listing {
  const rows = text.split("\n").flatMap((line): readonly (readonly [string, string])[] => {
    const [name, , digest] = line.trim().split(/\s+/);
    return name !== undefined && digest?.includes(":") ? [[name, digest]] : [];
  });
  return new Map(rows);
}

interface ContentDocument {
  readonly manifests: readonly string[];
  readonly configs: readonly string[];
}

const nothing: ContentDocument = { manifests: [], configs: [] };

async function readDocuments(
  engine: ContainerEngine,
  node: string,
  digests: readonly string[],
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly ContentDocument[]> {
  const text = await ask(engine, node, ["sh", "-c", contentScript, "sh", ...digests], { signal });
  return text.split("\x1e").slice(0, -1).map(parseDocument);
}

/** The digests that a manifest or an index names; none for anything else. */
function parseDocument(text: string): ContentDocument {
  try {
    const document = JSON.parse(text) as {
      readonly manifests?: readonly { readonly digest?: string }[];
      readonly config?: { readonly digest?: string };
    };
    return {
      manifests: (document.manifests ?? []).flatMap(({ digest }) => digest ?? []),
      configs: document.config?.digest === undefined ? [] : [document.config.digest],
    };
  } catch {
    return nothing;
  }
}

/** Runs a question in a node. Throws NODE_UNREACHABLE when it exits non-zero or gives no answer in time. */
async function ask(
  engine: ContainerEngine,
  node: string,
  argv: readonly string[],
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  using limit = startDeadline(answerTimeoutMs, signal);
  try {
    const result = await engine.exec(node, argv, { signal: limit.signal });
    if (result.exitCode === 0) return result.stdout;
    throw new DevloopError("NODE_UNREACHABLE", lastLines(result.stderr) || `exit code ${result.exitCode}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.expired) throw error;
    throw new DevloopError(
      "NODE_UNREACHABLE",
      `containerd gave no answer within ${answerTimeoutMs / 1000} s`,
      {
        cause: error,
      },
    );
  }
}

/** Whether a client's words mean that containerd itself is not there. */
function isDown(words: string): boolean {
  return /failed to dial|connection refused|containerd\.sock|transport is closing|error reading from server/i.test(
    words,
  );
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-10).join("\n");
}
