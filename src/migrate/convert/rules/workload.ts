import type { ComposeProject, ComposeService, UpdateConfig } from "../../compose/model.js";
import type { Outcome } from "../ledger.js";
import type { ServiceView, WorkloadKind } from "../plan.js";
import { allServices } from "../images.js";
import { noted, unlessEmpty, type Tree, type TreeMap } from "../tree.js";

/**
 * Which workload a service becomes. What other services wait for to complete, what Swarm calls a job, and what is to
 * end and stay so without serving anything is a Job; `global` is a DaemonSet; Kompose's label decides before all that.
 */
export function workloadKind(key: string, service: ComposeService, project: ComposeProject): WorkloadKind {
  const labels = service.labels ?? {};
  const asked = (labels["kompose.controller.type"] ?? "").toLowerCase();
  if (labels["kompose.cronjob.schedule"] !== undefined) return "CronJob";
  if (asked === "statefulset") return "StatefulSet";
  if (asked === "daemonset") return "DaemonSet";
  if (asked === "deployment") return "Deployment";
  const mode = service.deploy?.mode ?? "";
  if (mode.endsWith("-job")) return "Job";
  if (mode === "global") return "DaemonSet";
  const policy = restartOf(service);
  const ends = policy.name !== "always";
  if (ends && completedBy(key, project)) return "Job";
  const serves =
    (service.ports ?? []).length > 0 ||
    (service.expose ?? []).length > 0 ||
    service.healthcheck?.test !== undefined;
  return policy.written && policy.name === "no" && !serves ? "Job" : "Deployment";
}

interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always";
  readonly attempts?: number;
  readonly written: boolean;
}

/** `deploy.restart_policy` wins over `restart`; without either nothing is restarted. */
export function restartOf({ restart, deploy }: ComposeService): RestartPolicy {
  const condition = deploy?.restart_policy?.condition;
  const attempts = deploy?.restart_policy?.max_attempts;
  if (condition !== undefined) {
    const name = condition === "none" ? "no" : condition === "on-failure" ? "on-failure" : "always";
    return { name, written: true, ...(attempts === undefined ? {} : { attempts }) };
  }
  if (restart === undefined) return { name: "no", written: false };
  const [name, count] = restart.split(":");
  if (name === "on-failure")
    return { name, written: true, ...(count === undefined ? {} : { attempts: Number(count) }) };
  return { name: name === "no" || name === "" ? "no" : "always", written: true };
}

function completedBy(key: string, project: ComposeProject): boolean {
  return allServices(project).some(
    ([, other]) => other.depends_on?.[key]?.condition === "service_completed_successfully",
  );
}

/** The workload around a pod template. */
export function workloadObject(
  view: ServiceView,
  template: TreeMap,
  meta: { readonly labels?: TreeMap; readonly annotations?: TreeMap; readonly keepsData: boolean },
): TreeMap {
  sayWorkload(view, meta.keepsData);
  const metadata = {
    name: view.name,
    labels: unlessEmpty(meta.labels ?? {}),
    annotations: unlessEmpty(meta.annotations ?? {}),
  };
  const selector = { matchLabels: { "app.kubernetes.io/name": view.name } };
  const { workload: kind } = view;
  const count = view.service.deploy?.replicas ?? view.service.scale ?? 1;
  switch (kind) {
    case "Job":
      return { apiVersion: "batch/v1", kind, metadata, spec: jobSpec(view, template, count) };
    case "CronJob": {
      const labels = view.service.labels ?? {};
      const limit = labels["kompose.cronjob.backoff_limit"];
      const job = {
        ...jobSpec(view, template, 1),
        ...(limit === undefined ? {} : { backoffLimit: Number(limit) }),
      };
      const spec = {
        schedule: labels["kompose.cronjob.schedule"] ?? "",
        concurrencyPolicy: labels["kompose.cronjob.concurrency_policy"],
        jobTemplate: { spec: job },
      };
      return { apiVersion: "batch/v1", kind, metadata, spec };
    }
    case "DaemonSet":
      return { apiVersion: "apps/v1", kind, metadata, spec: { selector, template } };
    case "StatefulSet":
      return {
        apiVersion: "apps/v1",
        kind,
        metadata,
        spec: { replicas: count, serviceName: view.name, selector, template },
      };
    case "Deployment":
      return {
        apiVersion: "apps/v1",
        kind,
        metadata,
        spec: { replicas: count, selector, strategy: strategyOf(view, meta.keepsData), template },
      };
  }
}

function jobSpec(view: ServiceView, template: TreeMap, count: number): TreeMap {
  const { name, attempts } = restartOf(view.service);
  const backoffLimit = name === "no" ? 0 : (attempts ?? 6);
  const all = view.service.deploy?.mode === "replicated-job" && count > 1;
  return {
    backoffLimit: noted(
      name === "no" ? "restart: no: it is tried once." : "Tries after a failure, from restart.",
      backoffLimit,
    ),
    completions: all ? count : undefined,
    parallelism: all ? count : undefined,
    template,
  };
}

/** Whether no node may have two of its pods: where there are as many nodes, none has room for one more. */
export const hasNodeAlone = ({ deploy }: ComposeService): boolean =>
  deploy?.placement?.max_replicas_per_node === 1;

/** Two pods never write one volume; else the new pod is there before the old one goes, unless told otherwise. */
function strategyOf(view: ServiceView, keepsData: boolean): Tree | undefined {
  const update = view.service.deploy?.update_config;
  if (keepsData)
    return noted("The old pod lets go of the volume before the new one takes it.", { type: "Recreate" });
  const isAlone = hasNodeAlone(view.service);
  if (!update && !isAlone) return undefined;
  const at = Math.max(1, update?.parallelism ?? 1);
  const all = update?.parallelism === 0;
  const newFirst = update?.order === "start-first";
  const rollingUpdate = newFirst
    ? { maxSurge: all ? "100%" : at, maxUnavailable: 0 }
    : { maxSurge: 0, maxUnavailable: all ? "100%" : at };
  const strategy = { type: "RollingUpdate", rollingUpdate };
  return isAlone && !newFirst
    ? noted("A new pod may find a node only once an old one has left it.", strategy)
    : strategy;
}

function sayWorkload(view: ServiceView, keepsData: boolean): void {
  const { service, workload } = view;
  const say = (path: readonly string[], value: unknown, outcome: Outcome, text: string) => {
    if (value !== undefined) view.say(outcome, path, text);
  };
  sayRestart(view);
  const { deploy } = service;
  const many = workload === "Deployment" || workload === "StatefulSet" || deploy?.mode === "replicated-job";
  say(
    ["deploy", "replicas"],
    deploy?.replicas,
    many ? "converted" : "approximated",
    many ? `replicas of the ${workload}` : `a ${workload} has none`,
  );
  say(
    ["scale"],
    service.scale,
    many ? "converted" : "approximated",
    many ? `replicas of the ${workload}` : `a ${workload} has none`,
  );
  say(
    ["deploy", "mode"],
    deploy?.mode,
    deploy?.mode === "global-job" ? "approximated" : "converted",
    deploy?.mode === "global-job" ? "a Job with one pod: not one on each node" : workload,
  );
  const vip = deploy?.endpoint_mode !== "dnsrr";
  say(
    ["deploy", "endpoint_mode"],
    deploy?.endpoint_mode,
    "converted",
    vip ? "a Service with an address of its own" : "a Service without an address: its name gives the pods'",
  );
  sayUpdate(view, ["deploy", "update_config"], deploy?.update_config, keepsData);
  if (deploy?.rollback_config)
    view.sayAll(
      "dropped",
      ["deploy", "rollback_config"],
      "nothing rolls back by itself: kubectl rollout undo",
    );
}

function sayRestart(view: ServiceView): void {
  const { service, workload } = view;
  const policy = restartOf(service);
  const job = workload === "Job" || workload === "CronJob";
  const again = job
    ? `${workload}: ${policy.name === "no" ? "tried once" : `tried again ${policy.attempts ?? 6} times`}`
    : `${workload}: restarted whenever it ends`;
  const exact =
    policy.name === "always" ? !job : job && (policy.name === "no" || policy.attempts !== undefined);
  const text = exact || job ? again : `${again}, also after success; make it a Job if it is to end`;
  if (service.restart !== undefined) view.say(exact ? "converted" : "approximated", ["restart"], text);
  const given = service.deploy?.restart_policy;
  if (given?.condition !== undefined)
    view.say(exact ? "converted" : "approximated", ["deploy", "restart_policy", "condition"], text);
  if (given?.max_attempts !== undefined) {
    view.say(
      job ? "converted" : "dropped",
      ["deploy", "restart_policy", "max_attempts"],
      job ? "backoffLimit" : "a pod is restarted for ever, ever more slowly",
    );
  }
  for (const key of ["delay", "window"] as const) {
    if (given?.[key] !== undefined)
      view.say(
        "dropped",
        ["deploy", "restart_policy", key],
        "the kubelet waits 10 s, then twice as long each time, up to 5 minutes",
      );
  }
}

function sayUpdate(
  view: ServiceView,
  at: readonly string[],
  update: UpdateConfig | undefined,
  keepsData: boolean,
): void {
  if (!update) return;
  const rolls = view.workload === "Deployment" && !keepsData;
  for (const key of ["parallelism", "order"] as const) {
    if (update[key] === undefined) continue;
    if (rolls && update[key] === "start-first" && hasNodeAlone(view.service)) {
      view.say(
        "decision",
        [...at, key],
        "rollingUpdate of the strategy; with max_replicas_per_node: 1 a rollout waits for ever unless there are more nodes than replicas: have more, or order: stop-first",
      );
      continue;
    }
    view.say(
      rolls ? "converted" : "dropped",
      [...at, key],
      rolls
        ? "rollingUpdate of the strategy"
        : keepsData
          ? "the strategy is Recreate: two pods must not write one volume"
          : `a ${view.workload} has no such strategy`,
    );
  }
  const lost = {
    delay: "pods follow each other when they are ready (minReadySeconds holds them back)",
    monitor: "progressDeadlineSeconds is the nearest thing",
    failure_action: "a rollout that fails stops by itself and keeps the old pods",
    max_failure_ratio: "a rollout stops at the first pod that does not get ready",
  } as const;
  for (const [key, text] of Object.entries(lost)) {
    if (update[key as keyof typeof lost] !== undefined) view.say("dropped", [...at, key], text);
  }
}
