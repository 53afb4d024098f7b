import { PodConfigError, type PodObject, type SecurityContext } from "./objects.js";

/**
 * What the kubelet asks of a container that must not run as root. `imageUser` is what the image says: `1000`, `1000:1000`, `node`, or
 * nothing. Throws PodConfigError in the kubelet's words.
 */
export function checkNonRoot(
  { runAsNonRoot, runAsUser }: SecurityContext,
  imageUser: string,
  { pod, container }: { readonly pod: PodObject; readonly container: string },
): void {
  if (runAsNonRoot !== true) return;
  const { name, namespace = "", uid = "" } = pod.metadata;
  const where = `(pod: "${name}_${namespace}(${uid})", container: ${container})`;
  if (runAsUser !== undefined) {
    if (runAsUser !== 0) return;
    throw new PodConfigError(`container's runAsUser breaks non-root policy ${where}`);
  }
  const [user = ""] = imageUser.split(":");
  if (user === "" || Number(user) === 0)
    throw new PodConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  if (!/^\d+$/.test(user))
    throw new PodConfigError(
      `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${where}`,
    );
}
