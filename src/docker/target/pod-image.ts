import { createHash } from "node:crypto";
import { pack } from "tar-stream";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";
import type { EngineContainers } from "../engine-containers.js";
import { podBinary } from "./pod-binaries.js";

/** Makes the image of the pods' own program, unless the engine has it, and returns its name. Throws LOAD_FAILED. */
export async function ensurePodImage(
  engine: Pick<ContainerEngine, "image">,
  containers: EngineContainers,
  platform: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const binary = podBinary(platform);
  if (!binary)
    throw new DevloopError("LOAD_FAILED", `the docker target is not made for engines of ${platform}`, {
      hint: "use a kind or k3d cluster: cluster: {provider: kind}",
    });
  const ref = `devloop/pod:${createHash("sha256").update(binary).digest("hex").slice(0, 12)}`;
  if (await engine.image(ref, options)) return ref;
  const archive = pack();
  archive.entry({ name: "pod", mode: 0o755 }, Buffer.from(binary));
  archive.entry({ name: "endpoints", mode: 0o644 }, "end\n");
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  await containers.importImage(ref, Buffer.concat(chunks), options);
  return ref;
}
