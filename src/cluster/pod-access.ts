import type { PodAccess } from "../engine/target.js";
import { serverClock } from "../lib/server-clock.js";
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
    clock: ({ signal }) => serverClock(kube.stream("/version", { signal }), { signal }),
    openTunnel: (pod, port, options) => openTunnel(kube, pod, port, { ...options, tls }),
    openExec: (container, argv, options) => openExec(kube, container, argv, { ...options, tls }),
    [Symbol.dispose]() {
      tls[Symbol.dispose]();
    },
  };
}
