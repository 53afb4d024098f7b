import type { Path } from "./path.js";
import type { ForwardConfig } from "./schema.js";

/** Two forwards that cannot both be: `path` is the later one, `other` the earlier. */
export interface ForwardClash {
  readonly path: Path;
  readonly other: Path;
  readonly message: string;
}

/** Forwards that stand twice, and local ports that are wanted twice where one of them is strict. */
export function findForwardClashes(forwards: readonly ForwardConfig[]): readonly ForwardClash[] {
  const clashes: ForwardClash[] = [];
  for (const [index, forward] of forwards.entries()) {
    const other = forwards.slice(0, index).findIndex((earlier) => forwardId(earlier) === forwardId(forward));
    if (other !== -1) {
      clashes.push({
        path: ["forwards", index],
        other: ["forwards", other],
        message: `forwards to ${forwardId(forward)} a second time`,
      });
      continue;
    }
    const holder = forwards.slice(0, index).findIndex((earlier) => wantSamePort(earlier, forward));
    if (holder !== -1) {
      clashes.push({
        path: ["forwards", index],
        other: ["forwards", holder],
        message: `takes local port ${forward.local} a second time, and strict forbids another one`,
      });
    }
  }
  return clashes;
}

/** `service/web:80`; `staging/service/web:80` with a namespace of its own. */
export function forwardId(forward: ForwardConfig): string {
  const { kind, name } = forwardTarget(forward);
  const namespace = forward.namespace === undefined ? "" : `${forward.namespace}/`;
  return `${namespace}${kind}/${name}:${forward.remote}`;
}

/** What the forward leads to; the schema lets exactly one of the four stand. */
export function forwardTarget(forward: ForwardConfig): {
  readonly kind: "service" | "deployment" | "statefulset" | "pod";
  readonly name: string;
} {
  if (forward.service !== undefined) return { kind: "service", name: forward.service };
  if (forward.deployment !== undefined) return { kind: "deployment", name: forward.deployment };
  if (forward.statefulset !== undefined) return { kind: "statefulset", name: forward.statefulset };
  return { kind: "pod", name: forward.pod ?? "" };
}

function wantSamePort(left: ForwardConfig, right: ForwardConfig): boolean {
  if (left.local !== right.local || !(left.strict || right.strict)) return false;
  const everywhere = ["0.0.0.0", "::", "*"];
  return left.host === right.host || everywhere.includes(left.host) || everywhere.includes(right.host);
}
