import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { type ContainerEngine, EngineStatusError } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";
import type { EngineContainers } from "../engine-containers.js";
import { podBinary } from "./pod-binaries.js";

const repository = "devloop/pod";

type Engine = Pick<ContainerEngine, "image" | "images" | "untagImage" | "containers">;

/** Makes the image of the pods' own program, unless the engine has it, and returns its name. Throws LOAD_FAILED. */
export async function ensurePodImage(
  engine: Engine,
  containers: EngineContainers,
  platform: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const binary = podBinary(platform);
  if (!binary)
    throw new DevloopError("LOAD_FAILED", `the docker target is not made for engines of ${platform}`, {
      hint: "use a kind or k3d cluster: cluster: {provider: kind}",
    });
  const ref = nameOf(binary);
  if (await engine.image(ref, options)) return ref;
  const archive = pack();
  archive.entry({ name: "pod", mode: 0o755 }, Buffer.from(binary));
  archive.entry({ name: "endpoints", mode: 0o644 }, "end\n");
  archive.finalize();
  await containers.importImage(ref, await buffer(archive), options);
  await removeUnusedPodImages(engine, platform, options);
  return ref;
}

/** What other versions of devloop have made for pods that are gone. */
export async function unusedPodImages(
  engine: Pick<Engine, "images" | "containers">,
  platform: string,
  options: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const binary = podBinary(platform);
  const own = binary && nameOf(binary);
  const images = await engine.images(options);
  // Asked last: a container made meanwhile is seen.
  const used = new Set((await engine.containers([], { ...options, all: true })).map((each) => each.imageId));
  return images
    .filter(({ id }) => !used.has(id))
    .flatMap(({ tags }) => tags)
    .filter((tag) => tag.startsWith(`${repository}:`) && tag !== own)
    .sort();
}

/** Removes them, and returns those that are gone. Throws ENGINE_UNREACHABLE. */
export async function removeUnusedPodImages(
  engine: Pick<Engine, "images" | "containers" | "untagImage">,
  platform: string,
  options: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const unused = await unusedPodImages(engine, platform, options);
  const gone = unused.map(async (ref) => {
    try {
      await engine.untagImage(ref, options);
      return [ref];
    } catch (error) {
      if (!(error instanceof EngineStatusError)) throw error;
      // A pod of a moment ago keeps it.
      return [];
    }
  });
  return (await Promise.all(gone)).flat();
}

function nameOf(binary: Uint8Array): string {
  return `${repository}:${createHash("sha256").update(binary).digest("hex").slice(0, 12)}`;
}
