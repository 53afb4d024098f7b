import type { KubeObject } from "../../engine/kube-object.js";
import type { ServiceObject } from "./objects.js";

/**
 * The variables by which a pod finds the Services of its namespace, as the kubelet sets them: `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`,
 * `WEB_SERVICE_PORT_HTTP`, and those of docker's links (`WEB_PORT`, `WEB_PORT_80_TCP`, …). Services that have no address have none.
 */
export function serviceVariables(
  services: readonly KubeObject[],
  namespace: string,
): ReadonlyMap<string, string> {
  return new Map(
    (services as readonly ServiceObject[])
      .filter(({ metadata }) => metadata.namespace === namespace)
      .flatMap(variablesOf),
  );
}

function variablesOf({ metadata, spec }: ServiceObject): readonly (readonly [string, string])[] {
  const { clusterIP: host = "None", ports = [] } = spec ?? {};
  const [first] = ports;
  if (host === "None" || host === "" || !first) return [];
  const name = variableName(metadata.name);
  const url = (port: number, protocol: string): string => `${protocol.toLowerCase()}://${host}:${port}`;
  return [
    [`${name}_SERVICE_HOST`, host],
    [`${name}_SERVICE_PORT`, String(first.port)],
    ...ports.flatMap(({ name: port, port: number }): readonly (readonly [string, string])[] =>
      port === undefined || port === ""
        ? []
        : [[`${name}_SERVICE_PORT_${variableName(port)}`, String(number)]],
    ),
    [`${name}_PORT`, url(first.port, first.protocol ?? "TCP")],
    ...ports.flatMap(({ port, protocol = "TCP" }): readonly (readonly [string, string])[] => {
      const prefix = `${name}_PORT_${port}_${protocol.toUpperCase()}`;
      return [
        [prefix, url(port, protocol)],
        [`${prefix}_PROTO`, protocol.toLowerCase()],
        [`${prefix}_PORT`, String(port)],
        [`${prefix}_ADDR`, host],
      ];
    }),
  ];
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
