import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";
import type { EngineContainers } from "../engine-containers.js";
import { podBinary } from "./pod-binaries.js";

const repository = "devloop/pod";

/** Makes the image of the pods' own program, unless the engine has it, and returns its name. Throws LOAD_FAILED. */
export async function ensurePodImage(
  engine: Pick<ContainerEngine, "image" | "images" | "untagImage">,
  containers: EngineContainers,
  platform: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const binary = podBinary(platform);
  if (!binary)
    throw new DevloopError("LOAD_FAILED", `the docker target is not made for engines of ${platform}`, {
      hint: "use a kind or k3d cluster: cluster: {provider: kind}",
    });
  const ref = `${repository}:${createHash("sha256").update(binary).digest("hex").slice(0, 12)}`;
  if (await engine.image(ref, options)) return ref;
  const archive = pack();
  archive.entry({ name: "pod", mode: 0o755 }, Buffer.from(binary));
  archive.entry({ name: "endpoints", mode: 0o644 }, "end\n");
  archive.finalize();
  await containers.importImage(ref, await buffer(archive), options);
  await removeOlder(engine, ref, options);
  return ref;
}

/** What other versions of devloop have made goes; the engine keeps those that containers still use. */
async function removeOlder(
  engine: Pick<ContainerEngine, "images" | "untagImage">,
  ref: string,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const tags = (await engine.images(options)).flatMap(({ tags: of }) => of);
  const older = tags.filter((tag) => tag.startsWith(`${repository}:`) && tag !== ref);
  await Promise.all(older.map((tag) => engine.untagImage(tag, options).catch(() => undefined)));
}
