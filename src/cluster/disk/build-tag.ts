import { containerdName } from "../load/containerd.js";

/** A name that devloop gave to an image it built. */
export interface BuildTag {
  /** The image's name with its registry written out, as containerd has it: `docker.io/library/web`. */
  readonly repository: string;
  /** `devloop-0123456789abcdef`. */
  readonly tag: string;
}

/**
 * Reads the name of an image; undefined unless devloop made it. The proof is in the name: its tag ends with the first digits
 * of the image's id (see buildImage), which nobody gives to another image by chance. `ids` are all digests that stand for
 * the image.
 */
export function readBuildTag(ref: string, ids: readonly string[]): BuildTag | undefined {
  const [, tag, digits] = /:(devloop-([0-9a-f]{16}))$/.exec(ref) ?? [];
  if (tag === undefined || digits === undefined) return undefined;
  if (!ids.some((id) => id.startsWith(`sha256:${digits}`))) return undefined;
  return { repository: repositoryOf(ref), tag };
}

/** A reference's name without the tag, its registry written out: `web:1` and `docker.io/web` are both `docker.io/library/web`. */
export function repositoryOf(ref: string): string {
  const name = containerdName(ref);
  return name.slice(0, name.lastIndexOf(":"));
}

/** A repository as people write it. */
export function familiarName(repository: string): string {
  return repository.replace(/^docker\.io\/(library\/)?/, "");
}
