import type { PodName, Tunnel, TunnelOptions } from "../../engine/target.js";
import type { Kube } from "../kube.js";
import { openKubeSocket } from "../kube-socket.js";
import type { TlsAgent } from "../tls-agent.js";

/**
 * Opens a websocket with Kubernetes' port-forward framing: channel 0 has the data, 1 the errors, and each begins with the
 * port in two bytes. Resolves once the API server has agreed; whether the pod takes the connection shows later. Throws when
 * there is no agreement.
 */
export async function openTunnel(
  kube: Kube,
  pod: PodName,
  port: number,
  options: TunnelOptions & { readonly tls: TlsAgent },
): Promise<Tunnel> {
  const { signal, tls, onData, onDrain, onClose } = options;
  let podError = "";
  const headerLeft = [2, 2];
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/portforward?ports=${port}`;
  const socket = await openKubeSocket(kube, path, {
    peer: `pod ${pod.name}`,
    tls,
    signal,
    onDrain,
    onMessage(channel, message) {
      const skipped = Math.min(headerLeft[channel] ?? 0, message.length);
      headerLeft[channel] = (headerLeft[channel] ?? 0) - skipped;
      const data = message.subarray(skipped);
      if (data.length === 0) return;
      if (channel === 0) onData(data);
      else if (channel === 1) podError += data.toString("utf8");
    },
    onClose(error) {
      onClose(podError === "" ? error : new Error(podError.trim()));
    },
  });
  return {
    write: (data) => socket.send(0, data),
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    close: () => {
      socket.close();
    },
  };
}
