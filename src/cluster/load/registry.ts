import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import type { ImageLoader } from "./loader.js";
import type { LocalRegistry } from "../providers/local-registry.js";

/** Pushes to the registry that the cluster advertises (KEP-1755); only layers that it lacks travel. */
export function registryLoader(engine: ContainerEngine, registry: LocalRegistry): ImageLoader {
  return {
    async load(image, { onProgress, signal }) {
      const pushed = inRegistry(registry.host, image.ref);
      try {
        await engine.tagImage(image.imageId, pushed, { signal });
        onProgress({ message: `pushing to ${registry.host}` });
        await engine.pushImage(pushed, { signal });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DevloopError && error.code === "ENGINE_UNREACHABLE") throw error;
        throw pushFailed(registry, pushed, error);
      }
      return {
        kind: "load",
        ref: inRegistry(registry.hostFromContainerRuntime ?? registry.host, image.ref),
        nodes: [],
        present: [],
        bytes: 0,
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * The name an image goes by in a registry: its whole name under the host, so that two images never meet
 * (`ghcr.io/acme/web` and `web`). A port in it would not be a valid path, so its colon becomes a dash.
 */
export function inRegistry(host: string, ref: string): string {
  const base = host.replace(/\/$/, "");
  if (ref.startsWith(`${base}/`)) return ref;
  const slash = ref.indexOf("/");
  const path = slash < 0 ? ref : ref.slice(0, slash).replace(":", "-") + ref.slice(slash);
  return `${base}/${path}`;
}

function pushFailed(registry: LocalRegistry, ref: string, cause: unknown): DevloopError {
  return new DevloopError("LOAD_FAILED", `could not push ${ref}: ${errorText(cause)}`, {
    cause,
    detail: cause instanceof DevloopError ? cause.detail : undefined,
    hint:
      `is the registry ${registry.host} running? The cluster advertises it in ConfigMap kube-public/local-registry-hosting` +
      (registry.help === undefined ? "" : `; how it was set up: ${registry.help}`),
  });
}
