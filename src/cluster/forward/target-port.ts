import type { ForwardSpec } from "../../engine/project.js";
import { DevloopError } from "../../lib/errors.js";
import type { ServiceObject } from "../observe/objects.js";
import type { PodTarget } from "../observe/pod-view.js";

/**
 * The port in the pod that a forward leads to: through the Service's port and its targetPort, or by name or number for
 * other kinds. Throws FORWARD_FAILED, with the ports there are, when there is no such port.
 */
export function targetPort(spec: ForwardSpec, pod: PodTarget, service: ServiceObject | undefined): number {
  if (spec.kind !== "service") return containerPort(spec, pod, spec.remote);
  const ports = service?.spec?.ports ?? [];
  const port = ports.find((entry) =>
    typeof spec.remote === "number" ? entry.port === spec.remote : entry.name === spec.remote,
  );
  if (!port) {
    const there = ports.map((entry) => (entry.name ? `${entry.port} (${entry.name})` : String(entry.port)));
    throw new DevloopError("FORWARD_FAILED", `service ${spec.name} has no port ${spec.remote}`, {
      hint: there.length > 0 ? `it has ${there.join(", ")}` : undefined,
    });
  }
  return containerPort(spec, pod, port.targetPort ?? port.port);
}

function containerPort(spec: ForwardSpec, pod: PodTarget, port: number | string): number {
  if (typeof port === "number") return port;
  const named = pod.namedPorts[port] ?? (/^\d+$/.test(port) ? Number(port) : undefined);
  if (named !== undefined) return named;
  const names = Object.keys(pod.namedPorts);
  throw new DevloopError(
    "FORWARD_FAILED",
    `${spec.id}: no container of pod ${pod.name} has a port named ${port}`,
    {
      hint: names.length > 0 ? `it has ${names.join(", ")}` : `name the container's port, or give its number`,
    },
  );
}
