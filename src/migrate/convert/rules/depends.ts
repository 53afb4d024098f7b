import type { Part, ServiceView } from "../plan.js";
import { findService, podOwner } from "../pod-owner.js";
import { noted, type Tree, type TreeMap } from "../tree.js";
import { workloadKind } from "./workload.js";

/** How far another workload is to be first, and whether its new pods make new pods of the one that waits. */
export interface Wait {
  readonly until: "started" | "ready" | "completed";
  readonly restart: boolean;
}

/** What a workload waits for, by the names of workloads: devloop.yaml's `order`. */
export type Waits = Readonly<Record<string, Wait>>;

const conditions = {
  service_started: "started",
  service_healthy: "ready",
  service_completed_successfully: "completed",
} as const;

/** The service account, and its rights, that init containers wait with. */
export const waiterName = "devloop-wait";
const kubectlImage = "registry.k8s.io/kubectl:v1.34.1";

export function waitsOf({ service, names, project }: ServiceView): Waits {
  return strongest(
    Object.entries(service.depends_on ?? {}).map(([key, { condition, restart = false }]): Waits => {
      const name = names.services.get(podOwner(key, project));
      const there = findService(key, project);
      if (name === undefined || !there || there.provider) return {};
      return { [name]: { until: conditions[condition], restart } };
    }),
  );
}

const strength = { started: 0, ready: 1, completed: 2 } as const;

/** All that several containers of one pod wait for: of two conditions for the same workload, the stronger. */
export function strongest(all: readonly Waits[]): Waits {
  const merged: Record<string, Wait> = {};
  for (const [name, wait] of all.flatMap((waits) => Object.entries(waits))) {
    const before = merged[name] ?? wait;
    merged[name] = {
      until: strength[before.until] < strength[wait.until] ? wait.until : before.until,
      restart: before.restart || wait.restart,
    };
  }
  return merged;
}

/** `depends_on`: order in devloop.yaml; with --wait-init-containers, init containers that wait too. */
export function dependsRule(view: ServiceView): Part {
  const { service, options } = view;
  const waits = waitsOf(view);
  for (const [key, dependency] of Object.entries(service.depends_on ?? {})) {
    const how = options.waitInitContainers
      ? "order in devloop.yaml, and an init container that waits"
      : "order in devloop.yaml (--wait-init-containers holds it without devloop)";
    view.say("converted", ["depends_on", key], how);
    view.say("converted", ["depends_on", key, "condition"], how);
    const optional = !(key in view.project.services);
    view.say(
      "converted",
      ["depends_on", key, "required"],
      !dependency.required && optional ? "waited for when it is there" : how,
    );
    if (dependency.restart !== undefined) {
      const text = dependency.restart
        ? "restart in devloop.yaml's order: new pods whenever devloop gives the other one new ones; without devloop, kubectl rollout restart"
        : "not restarted with it";
      view.say("converted", ["depends_on", key, "restart"], text);
    }
  }
  service.links?.forEach((link, index) => {
    const [key = "", alias = key] = link.split(":");
    const name = view.names.renamedHosts.get(alias);
    view.say(
      name === undefined ? "converted" : "approximated",
      ["links", index],
      name === undefined
        ? "found by its name; an alias is a Service of its own"
        : `no Service can be called ${alias}: ${name} takes its place in environments and commands`,
    );
  });
  if (!options.waitInitContainers || Object.keys(waits).length === 0) return {};
  const containers = Object.entries(waits).flatMap(
    ([name, { until }]) => waitContainer(view, name, until) ?? [],
  );
  if (containers.length === 0) return {};
  return { initContainers: containers, volumes: [tokenVolume], objects: waiterObjects() };
}

function waitContainer(view: ServiceView, name: string, until: Wait["until"]): Tree | undefined {
  const owner = [...view.names.services].find(([, other]) => other === name)?.[0] ?? "";
  const service = findService(owner, view.project);
  // A pod that waited for itself would never start.
  const own = owner === podOwner(view.key, view.project);
  if (own || !service || service.provider) return undefined;
  const kind = workloadKind(owner, service, view.project).toLowerCase();
  const pods = ["wait", "pod", `--selector=app.kubernetes.io/name=${name}`, "--timeout=10m"];
  const args =
    kind === "job" && until !== "started"
      ? ["wait", `job/${name}`, "--for=condition=complete", "--timeout=10m"]
      : until === "started"
        ? [...pods, "--for=jsonpath={.status.phase}=Running"]
        : ["rollout", "status", `${kind}/${name}`, "--timeout=10m"];
  return noted(`From depends_on: waits until ${name} is ${until}.`, {
    name: `wait-for-${name}`.slice(0, 63).replace(/-+$/, ""),
    image: kubectlImage,
    imagePullPolicy: "IfNotPresent",
    command: ["kubectl", ...args],
    volumeMounts: [
      {
        name: "devloop-wait-token",
        mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
        readOnly: true,
      },
    ],
  });
}

/** Only the waiting containers get a token: the service's own have none, as in Compose. */
const tokenVolume: TreeMap = {
  name: "devloop-wait-token",
  projected: {
    sources: [
      { serviceAccountToken: { path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
};

function waiterObjects(): readonly TreeMap[] {
  const role = { kind: "Role", name: waiterName };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: waiterName } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: waiterName },
      rules: [
        { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
        {
          apiGroups: ["apps"],
          resources: ["deployments", "statefulsets", "daemonsets"],
          verbs: ["get", "list", "watch"],
        },
        { apiGroups: ["batch"], resources: ["jobs"], verbs: ["get", "list", "watch"] },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: waiterName },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", ...role },
      subjects: [{ kind: "ServiceAccount", name: waiterName }],
    },
  ];
}
