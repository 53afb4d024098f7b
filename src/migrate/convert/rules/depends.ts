import type { ComposeService } from "../../compose/model.js";
import type { Part, ServiceView, WorkloadKind } from "../plan.js";
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
    const isOwnPod = podOwner(key, view.project) === podOwner(view.key, view.project);
    const how = isOwnPod
      ? "a container of the same pod: they start together"
      : options.waitInitContainers
        ? "order in devloop.yaml, and an init container that waits"
        : "order in devloop.yaml (--wait-init-containers holds it without devloop)";
    // A pod has its containers at once: one that waits for another's health has to do so itself.
    const outcome = isOwnPod && dependency.condition !== "service_started" ? "approximated" : "converted";
    view.say(outcome, ["depends_on", key], how);
    view.say(outcome, ["depends_on", key, "condition"], how);
    const optional = !(key in view.project.services);
    view.say(
      "converted",
      ["depends_on", key, "required"],
      !dependency.required && optional ? "waited for when it is there" : how,
    );
    if (dependency.restart !== undefined) {
      const text =
        isOwnPod && dependency.restart
          ? "new pods have both anew"
          : dependency.restart
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
  const containers = Object.entries(waits).flatMap(([name, { until }]) => waitContainers(view, name, until));
  if (containers.length === 0) return {};
  return { initContainers: containers, volumes: [tokenVolume], objects: waiterObjects() };
}

/**
 * Two containers, as one that fails would fail a Job that is tried once: `kubectl wait` and `rollout status` give up at
 * once on what is not there yet, unless they wait for just that.
 */
function waitContainers(view: ServiceView, name: string, until: Wait["until"]): readonly Tree[] {
  const key = [...view.names.services].find(([, other]) => other === name)?.[0] ?? "";
  const service = findService(key, view.project);
  // A pod that waited for itself would never start.
  const own = key === podOwner(view.key, view.project);
  if (own || !service || service.provider) return [];
  const steps = waitSteps(name, until, workloadKind(key, service, view.project), service);
  return steps.map((args, index) =>
    noted(
      index === 0
        ? `From depends_on: waits until ${name} is there.`
        : `From depends_on: waits until ${name} is ${until}.`,
      {
        name: `${index === 0 ? "find" : "wait-for"}-${name}`.slice(0, 63).replace(/-+$/, ""),
        image: kubectlImage,
        imagePullPolicy: "IfNotPresent",
        command: ["kubectl", ...args, "--timeout=10m"],
        volumeMounts: [
          {
            name: "devloop-wait-token",
            mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
            readOnly: true,
          },
        ],
      },
    ),
  );
}

function waitSteps(
  name: string,
  until: Wait["until"],
  kind: WorkloadKind,
  { deploy, scale }: ComposeService,
): readonly (readonly string[])[] {
  const workload = `${kind.toLowerCase()}/${name}`;
  const there = ["wait", workload, "--for=create"];
  // Its jobs come by the clock.
  if (kind === "CronJob") return [];
  if (kind === "Job")
    // Its pod may have ended by now: that it was started is what stays.
    return [
      there,
      [
        "wait",
        workload,
        until === "started" ? "--for=jsonpath={.status.startTime}" : "--for=condition=complete",
      ],
    ];
  if (until !== "started") return [there, ["rollout", "status", workload]];
  if ((deploy?.replicas ?? scale) === 0) return [];
  const pods = ["wait", "pod", `--selector=app.kubernetes.io/name=${name}`];
  return [
    [...pods, "--for=create"],
    [
      ...pods,
      // One that was evicted runs no more.
      "--field-selector=status.phase!=Succeeded,status.phase!=Failed",
      "--for=jsonpath={.status.phase}=Running",
    ],
  ];
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
