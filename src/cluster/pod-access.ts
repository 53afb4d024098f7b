import { once } from "node:events";
import type { PodAccess } from "../engine/target.js";
import { openTunnel } from "./forward/tunnel.js";
import { type Kube, KubeStatusError } from "./kube.js";
import { openCollections } from "./observe/collections.js";
import { openExec } from "./sync/exec-stream.js";
import { openTlsAgent } from "./tls-agent.js";

/** The way to a cluster's pods, through its API server. */
export function kubePods(kube: Kube): PodAccess & Disposable {
  const tls = openTlsAgent();
  return {
    watch: (options) => openCollections(kube, options),
    async openLog(
      { namespace, pod, container },
      { previous, follow, tailLines, sinceSeconds, sinceTime, signal },
    ) {
      const search = new URLSearchParams({
        container,
        timestamps: "true",
        ...(previous ? { previous: "true" } : {}),
        ...(follow ? { follow: "true" } : {}),
        ...(tailLines === undefined ? {} : { tailLines: String(tailLines) }),
        ...(sinceSeconds === undefined ? {} : { sinceSeconds: String(sinceSeconds) }),
        ...(sinceTime === undefined ? {} : { sinceTime }),
      });
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?${search.toString()}`;
      try {
        return await kube.stream(path, { signal });
      } catch (error) {
        // Not started yet, or gone between two looks.
        if (error instanceof KubeStatusError && (error.status === 400 || error.status === 404))
          return undefined;
        throw error;
      }
    },
    clock: ({ signal }) => serverTime(kube, signal),
    openTunnel: (pod, port, options) => openTunnel(kube, pod, port, { ...options, tls }),
    openExec: (container, argv, options) => openExec(kube, container, argv, { ...options, tls }),
    [Symbol.dispose]() {
      tls[Symbol.dispose]();
    },
  };
}

/**
 * What the API server's clock says now, ms since the epoch, in whole seconds: this machine's clock may be another.
 * Without an answer, 0: then every run counts as new.
 */
async function serverTime(kube: Kube, signal: AbortSignal): Promise<number> {
  try {
    const response = await kube.stream("/version", { signal });
    const date = Date.parse(response.headers.date ?? "");
    response.resume();
    if (!response.complete) await once(response, "end", { signal });
    return Number.isNaN(date) ? 0 : date;
  } catch {
    return 0;
  }
}
