import type { ComposeService } from "../../compose/service-model.js";
import type { Outcome } from "../ledger.js";
import type { Part, ServiceView } from "../plan.js";

/** Keys that come to nothing in a manifest, and why. */
const reasons: { readonly [Key in keyof ComposeService]?: readonly [Outcome, string] } = {
  attach: ["converted", "devloop shows the logs of every workload"],
  blkio_config: ["dropped", "pods have no limits of disk throughput: a storage class may"],
  cgroup: ["dropped", "the container runtime of the nodes decides"],
  cgroup_parent: ["dropped", "the kubelet decides"],
  cpu_count: ["dropped", "only Windows containers have it"],
  cpu_percent: ["dropped", "only Windows containers have it"],
  cpu_rt_period: ["dropped", "realtime scheduling is not for pods"],
  cpu_rt_runtime: ["dropped", "realtime scheduling is not for pods"],
  cpu_shares: [
    "dropped",
    "a pod's share follows from its CPU request: set deploy.resources.reservations.cpus",
  ],
  cpuset: [
    "dropped",
    "a pod cannot choose cores; the kubelet's static CPU policy gives some to pods with whole requests",
  ],
  credential_spec: [
    "decision",
    "only Windows containers: install the spec in the cluster, then securityContext.windowsOptions",
  ],
  device_cgroup_rules: ["dropped", "pods get devices from device plugins"],
  external_links: ["decision", "a container outside the project: make a Service of type ExternalName for it"],
  isolation: ["dropped", "only Windows containers have it"],
  label_file: ["converted", "its labels stand among labels"],
  logging: [
    "dropped",
    "the node's runtime writes the logs, the cluster's collector takes them: devloop reads them there",
  ],
  mac_address: ["dropped", "the cluster's network gives it"],
  mem_swappiness: ["dropped", "the kubelet decides about swap"],
  memswap_limit: ["dropped", "the kubelet decides about swap"],
  models: ["decision", "models are run by Docker: deploy a model server and set its address in environment"],
  oom_kill_disable: ["dropped", "a container over its limit is always killed"],
  oom_score_adj: ["dropped", "it follows from requests and limits: equal ones are killed last"],
  pids_limit: [
    "dropped",
    "a pod has no limit of processes of its own: the kubelet's podPidsLimit holds for all",
  ],
  pull_refresh_after: ["dropped", "there is no pulling by age"],
  runtime: ["decision", "make a RuntimeClass for it on the cluster, then runtimeClassName"],
  storage_opt: ["dropped", "a limit of the container's disk is resources.limits.ephemeral-storage"],
  ulimits: [
    "dropped",
    "pods have no ulimits: those of the node's runtime hold; the image's entrypoint can lower them",
  ],
  use_api_socket: [
    "decision",
    "there is no container engine in a pod: use the Kubernetes API with a service account",
  ],
  userns_mode: ["dropped", "hostUsers of the pod is the nearest thing, where the cluster supports it"],
  uts: ["dropped", "a pod has the host's UTS namespace only with hostNetwork"],
};

const placed = ([outcome, text]: readonly [Outcome, string], key: string) => [outcome, [key], text] as const;

/** Keys of which only the report tells. */
export function reportOnlyRule(view: ServiceView): Part {
  for (const [key, reason] of Object.entries(reasons)) {
    if (reason && view.service[key as keyof ComposeService] !== undefined)
      view.sayAll(...placed(reason, key));
  }
  return {};
}
