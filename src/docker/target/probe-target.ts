import type { PodDialer, PodPort, Programs } from "./dial.js";
import { expand } from "./environment.js";
import type { ContainerSpec, Probe } from "./objects.js";
import type { ProbeTarget } from "./probe.js";

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
  const at = (port: number): PodPort => {
    const { id: hold = "", address = "" } = where() ?? {};
    return { hold, address, port };
  };
  return {
    address: where()?.address ?? "",
    namedPorts: Object.fromEntries(ports),
    dial: (port, by) => dialer.dial(at(port), by),
    check: (port, by) => dialer.check(at(port), by),
    exec: (argv, by) => programs.run(id, argv, by),
  };
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
