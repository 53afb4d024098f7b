import { numberOf } from "./check-scalar.js";
import { get, type Node } from "./node.js";
import { parseBytes } from "./quantities.js";
import { decimal } from "./shape.js";

/** What a service says of its resources in two places must be the same. */
const twice = [
  ["cpus", ["deploy", "resources", "limits"], "cpus", numberIn],
  ["mem_limit", ["deploy", "resources", "limits"], "memory", bytesIn],
  ["mem_reservation", ["deploy", "resources", "reservations"], "memory", bytesIn],
  ["pids_limit", ["deploy", "resources", "limits"], "pids", numberIn],
] as const;

/** Reports where the old key and `deploy.resources` differ; as in Compose, one left out there counts as 0. */
export function checkLimits(service: Node, report: (node: Node, message: string) => void): void {
  for (const [key, section, name, read] of twice) {
    const own = get(service, key);
    const limits = get(service, ...section);
    if (!own || limits?.kind !== "map") continue;
    const value = read(own);
    if (value === undefined || value === 0 || value === (read(get(limits, name)) ?? 0)) continue;
    report(own, `${key} and ${section.join(".")}.${name} differ; both must say the same`);
  }
}

function numberIn(node: Node | undefined): number | undefined {
  const number = node?.kind === "scalar" ? numberOf(node, decimal) : undefined;
  // Compose compares them as it keeps them.
  return number === undefined ? undefined : Math.fround(number);
}

function bytesIn(node: Node | undefined): number | undefined {
  if (node?.kind !== "scalar") return undefined;
  return typeof node.value === "number" ? node.value : parseBytes(node.text);
}
