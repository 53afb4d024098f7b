import { isIP } from "node:net";

/** What the short form of a port says; ranges give one a port. */
export interface ShortPort {
  readonly hostIp?: string;
  readonly target: number;
  /** A port, or a range out of which the engine chooses. */
  readonly published?: string;
  readonly protocol: string;
}

/** Reads `[[ip:][published]:]target[/protocol]`, in the order in which Compose has the ports of a range: as texts. */
export function parsePorts(spec: string): readonly ShortPort[] | { readonly problem: string } {
  const parts = spec.split(":");
  const container = parts.at(-1) ?? "";
  const published = parts.at(-2) ?? "";
  const hostIp = parts
    .slice(0, -2)
    .join(":")
    .replace(/^\[(.*)\]$/, "$1");
  const [range = "", protocol = "tcp"] = container.split("/");
  const targets = parseRange(range);
  if (range === "") return { problem: `"${spec}" names no port` };
  if (!targets) return { problem: `"${range}" is not a port or a range of ports` };
  const hosts = published === "" ? undefined : parseRange(published);
  if (published !== "" && !hosts) return { problem: `"${published}" is not a port or a range of ports` };
  if (hosts && targets.first !== targets.last && hosts.last - hosts.first !== targets.last - targets.first) {
    return { problem: `"${published}" and "${range}" are ranges of different lengths` };
  }
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) {
    return { problem: `"${protocol}" is not a protocol: tcp, udp, or sctp` };
  }
  if (hostIp !== "" && isIP(hostIp) === 0) return { problem: `"${hostIp}" is not an IP address` };
  return portsOf(targets, hosts)
    .map((port) => ({
      ...port,
      ...(hostIp === "" ? {} : { hostIp }),
      protocol: protocol.toLowerCase(),
    }))
    .sort((left, right) => (String(left.target) < String(right.target) ? -1 : 1));
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function portsOf(targets: Range, hosts: Range | undefined): { target: number; published?: string }[] {
  return Array.from({ length: targets.last - targets.first + 1 }, (_, index) => {
    const target = targets.first + index;
    if (!hosts) return { target };
    const dynamic = targets.first === targets.last && hosts.first !== hosts.last;
    return { target, published: `${hosts.first + index}${dynamic ? `-${hosts.last}` : ""}` };
  });
}

function parseRange(text: string): Range | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return last < first || last > 65535 ? undefined : { first, last };
}
