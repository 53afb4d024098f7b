import type { KubeObject } from "../../engine/kube-object.js";
import type { PodObject, ServiceObject } from "./objects.js";

/** Its name stands for the pods themselves, not for an address of its own. */
export function isHeadless({ spec }: ServiceObject): boolean {
  return spec?.clusterIP === "None";
}

/** The name that leads to all pods of a headless Service; they get it as they start. */
export function headlessName({ metadata: { name, namespace = "" } }: ServiceObject): string {
  return `${name}.${namespace}.svc.cluster.local`;
}

/** A Service without a selector selects nothing. */
export function selects({ metadata, spec }: ServiceObject, pod: KubeObject): boolean {
  const wanted = Object.entries(spec?.selector ?? {});
  return (
    wanted.length > 0 &&
    (metadata.namespace ?? "") === (pod.metadata.namespace ?? "") &&
    wanted.every(([key, value]) => pod.metadata.labels?.[key] === value)
  );
}

interface PodStatus {
  readonly podIP?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

/** The ready pods behind a port of a Service, as `address:port`, with the pod; by the pod's name. */
export function endpointsOf(
  service: ServiceObject,
  targetPort: number | string,
  pods: readonly KubeObject[],
): readonly { readonly pod: KubeObject; readonly address: string; readonly port: number }[] {
  return (pods as readonly PodObject[])
    .filter((pod) => selects(service, pod) && isReady(pod))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((pod) => {
      const { podIP } = (pod as KubeObject)["status"] as PodStatus;
      const number = typeof targetPort === "number" ? targetPort : numberOf(pod, targetPort);
      return podIP === undefined || number === undefined ? [] : [{ pod, address: podIP, port: number }];
    });
}

/**
 * What a Service's forwarder is to know, as `pod/relay.h` reads it: each port with the ready pods behind it. A port that a pod has no number
 * for leads to the others.
 */
export function endpointsFile(service: ServiceObject, pods: readonly KubeObject[]): string {
  const lines = servedPorts(service).map(({ port, targetPort = port, protocol }) => {
    const places = endpointsOf(service, targetPort, pods).map((each) => `${each.address}:${each.port}`);
    return [protocol === "UDP" ? `${port}/udp` : port, ...places].join(" ");
  });
  return [...lines, "end", ""].join("\n");
}

/** The ports that are served: those of other protocols are not. */
export function servedPorts({
  spec,
}: ServiceObject): NonNullable<NonNullable<ServiceObject["spec"]>["ports"]> {
  return (spec?.ports ?? []).filter(({ protocol = "TCP" }) => protocol === "TCP" || protocol === "UDP");
}

function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = (pod["status"] ?? {}) as PodStatus;
  const ready = conditions.some(({ type, status }) => type === "Ready" && status === "True");
  return ready && pod.metadata.deletionTimestamp === undefined;
}

function numberOf({ spec }: PodObject, name: string): number | undefined {
  const beside = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const ports = [...spec.containers, ...beside].flatMap((container) => container.ports ?? []);
  const found = ports.find((port) => port.name === name)?.containerPort;
  return found ?? (/^\d+$/.test(name) ? Number(name) : undefined);
}
