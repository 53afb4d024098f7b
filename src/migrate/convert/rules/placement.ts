import type { Part, ServiceView } from "../plan.js";
import { noted, unlessEmpty, type TreeMap } from "../tree.js";
import { hasNodeAlone } from "./workload.js";

/** `deploy.placement`: node affinity and spreading. The dev overlay takes them away: a laptop's cluster has one node. */
export function placementRule(view: ServiceView): Part {
  const placement = view.service.deploy?.placement;
  if (!placement) return {};
  const expressions = (placement.constraints ?? []).flatMap((constraint, index): readonly TreeMap[] => {
    const expression = expressionOf(view, constraint, index);
    return expression === undefined ? [] : [expression];
  });
  const spread = (placement.preferences ?? []).flatMap((preference, index): TreeMap[] => {
    const path = ["deploy", "placement", "preferences", index];
    const key = preference.spread === undefined ? undefined : nodeKey(preference.spread);
    if (key === undefined) {
      view.sayAll(
        "decision",
        path,
        "label the nodes, and spread over that label with topologySpreadConstraints",
      );
      return [];
    }
    view.sayAll("converted", path, "topologySpreadConstraints of the pod");
    return [
      { maxSkew: 1, topologyKey: key, whenUnsatisfiable: "ScheduleAnyway", labelSelector: selector(view) },
    ];
  });
  const most = placement.max_replicas_per_node;
  const isAlone = hasNodeAlone(view.service);
  const byNode = { topologyKey: "kubernetes.io/hostname", labelSelector: selector(view) };
  if (most !== undefined) {
    view.say(
      isAlone ? "converted" : "approximated",
      ["deploy", "placement", "max_replicas_per_node"],
      isAlone ? "podAntiAffinity over nodes" : "spread over nodes; a number of pods of a node cannot be set",
    );
  }
  if (most !== undefined && !isAlone)
    spread.push({ maxSkew: 1, whenUnsatisfiable: "ScheduleAnyway", ...byNode });
  const terms = { nodeSelectorTerms: [{ matchExpressions: expressions }] };
  const affinity = unlessEmpty({
    nodeAffinity:
      expressions.length === 0
        ? undefined
        : noted("From deploy.placement.constraints; without such nodes the pod stays Pending.", {
            requiredDuringSchedulingIgnoredDuringExecution: terms,
          }),
    podAntiAffinity: isAlone
      ? noted("From max_replicas_per_node: a node has one of these pods at most.", {
          requiredDuringSchedulingIgnoredDuringExecution: [byNode],
        })
      : undefined,
  });
  return { pod: { affinity, topologySpreadConstraints: unlessEmpty(spread) } };
}

const selector = ({ name }: ServiceView): TreeMap => ({ matchLabels: { "app.kubernetes.io/name": name } });

function expressionOf(view: ServiceView, constraint: string, index: number): TreeMap | undefined {
  const path = ["deploy", "placement", "constraints", index];
  const [, left = "", operator, value = ""] = /^\s*([^\s=!]+)\s*(==|!=)\s*(.+?)\s*$/.exec(constraint) ?? [];
  const role = left === "node.role";
  const key = role ? "node-role.kubernetes.io/control-plane" : nodeKey(left);
  if (operator === undefined || key === undefined) {
    view.say(
      "decision",
      path,
      `nodes have no such label: label them, and write an affinity for ${constraint}`,
    );
    return undefined;
  }
  view.say("converted", path, "nodeAffinity of the pod");
  if (role)
    return { key, operator: (value === "manager") === (operator === "==") ? "Exists" : "DoesNotExist" };
  return { key, operator: operator === "==" ? "In" : "NotIn", values: [value] };
}

/** Swarm's names of node properties as labels of Kubernetes' nodes. */
function nodeKey(name: string): string | undefined {
  const known: Readonly<Record<string, string>> = {
    "node.hostname": "kubernetes.io/hostname",
    "node.platform.os": "kubernetes.io/os",
    "node.platform.arch": "kubernetes.io/arch",
    "engine.labels.operatingsystem": "kubernetes.io/os",
  };
  return known[name] ?? /^(?:node|engine)\.labels\.(.+)$/.exec(name)?.[1];
}
