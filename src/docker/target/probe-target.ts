import type { PodDialer, PodPort, Programs } from "./dial.js";
import { expand } from "./environment.js";
import type { ContainerSpec, Probe } from "./objects.js";
import { runProbeProgram } from "./probe-program.js";
import type { ProbedPort, ProbeTarget } from "./probe.js";

/**
 * What the probes of a container go by. `where` tells the pod's network at each use, since it may be another by then;
 * undefined while there is none.
 */
export function probeTargetOf(
  { dialer, programs }: { readonly dialer: PodDialer; readonly programs: Programs },
  { id, spec }: { readonly id: string; readonly spec: ContainerSpec },
  where: () => { readonly id: string; readonly address: string } | undefined,
): ProbeTarget {
  const ports = (spec.ports ?? []).flatMap(({ name, containerPort }) =>
    name === undefined ? [] : [[name, containerPort] as const],
  );
  const at = ({ host, port }: ProbedPort): PodPort => {
    const { id: hold = "", address = "" } = where() ?? {};
    // A node's own address would be this machine's, where no pod listens.
    return { hold, address: !host || isLoopback(host) ? address : host, port };
  };
  return {
    address: where()?.address ?? "",
    namedPorts: Object.fromEntries(ports),
    dial: (to, by) => dialer.dial(at(to), by),
    check: (to, by) => dialer.check(at(to), by),
    exec: (argv, by) => runProbeProgram(programs, id, argv, by),
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/**
 * A probe as the kubelet asks it: `$(NAME)` in its command is a variable that the container's spec gives a value, and `$$` is a dollar.
 * Hooks are run as they stand.
 */
export function askedOf({ env = [] }: ContainerSpec, probe: Probe): Probe {
  const { command } = probe.exec ?? {};
  if (!command) return probe;
  const values = new Map(env.map(({ name, value = "" }) => [name, value]));
  return { ...probe, exec: { command: command.map((word) => expand(word, (name) => values.get(name))) } };
}
