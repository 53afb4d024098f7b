import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import type { EngineContainers } from "../engine-containers.js";
import { encodeAuth, registryHost } from "../push.js";
import type { PodHost } from "./host.js";
import { PodConfigError } from "./objects.js";

/** An image that devloop built: there is no registry that would have it. */
const built = /:devloop-[0-9a-f]+$/;

/**
 * Brings the images that pods run onto the engine, with the user's own credentials. A tag that is `latest`, or none, is not asked for
 * anew where the manifest does not say so.
 */
export function imagePuller(
  engine: Pick<ContainerEngine, "image">,
  containers: Pick<EngineContainers, "pull">,
  credentials: FindCredential,
): PodHost["ensureImage"] {
  return async (ref, policy, { signal }) => {
    const there = await engine.image(ref, { signal });
    if (there && (policy !== "Always" || built.test(ref))) return { user: there.user ?? "" };
    if (policy === "Never")
      throw new PodConfigError(
        `Container image "${ref}" is not present with pull policy of Never`,
        "ErrImageNeverPull",
      );
    const host = registryHost(ref);
    const auth = encodeAuth(host, await credentials(host, { signal }));
    try {
      await containers.pull(/[:@][^/]*$/.test(ref) ? ref : `${ref}:latest`, auth, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DevloopError) throw error;
      throw new PodConfigError(errorText(error), "ErrImagePull");
    }
    return { user: (await engine.image(ref, { signal }))?.user ?? "" };
  };
}
