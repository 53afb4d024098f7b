import { isMap, listAt, mapAt, noted, textAt, unnoted, type Tree, type TreeMap } from "../tree.js";

/** Longest readiness period, and longest grace, in seconds: the loop waits for both. */
const period = 2;
const grace = 2;

const workloads: ReadonlySet<string> = new Set(["Deployment", "StatefulSet", "DaemonSet", "Job"]);

/** An object as the dev overlay has it: quick to be ready, quick to go, on any node, and open to synced files. */
export function forDevelopment(object: TreeMap, synced: ReadonlySet<string>): TreeMap {
  const isSynced = (container: Tree): boolean => synced.has(textAt(unnoted(container), "image") ?? "");
  const kind = textAt(object, "kind") ?? "";
  if (!workloads.has(kind)) return object;
  const spec = mapAt(object, "spec");
  const template = mapAt(spec, "template");
  const pod = mapAt(template, "spec");
  const { affinity: _affinity, topologySpreadConstraints: _spread, ...rest } = pod;
  const wait = unnoted(pod["terminationGracePeriodSeconds"]);
  const changed: TreeMap = {
    ...rest,
    terminationGracePeriodSeconds:
      typeof wait === "number" && wait > grace && !keepsData(pod)
        ? noted("An old pod makes way at once.", grace)
        : pod["terminationGracePeriodSeconds"],
    containers: listAt(pod, "containers").map((container) =>
      quicklyReady(isSynced(container) ? writable(container) : container),
    ),
  };
  const replicas = unnoted(spec["replicas"]);
  const one = typeof replicas === "number" && replicas > 1 && listAt(pod, "containers").some(isSynced);
  return {
    ...object,
    spec: {
      ...spec,
      ...(one
        ? { replicas: noted("One pod, so that the one that answers is the one that was synced.", 1) }
        : {}),
      template: { ...template, spec: changed },
    },
  };
}

/** A database is not killed before it has shut down: a crash recovery would cost more than the wait. */
function keepsData(pod: TreeMap): boolean {
  return listAt(pod, "volumes").some((volume) => "persistentVolumeClaim" in mapAt(volume));
}

/** A bind mount is writable whatever the file system around it is; synced files lie in that file system. */
function writable(container: Tree): Tree {
  const fields = mapAt(container);
  const security = mapAt(fields["securityContext"]);
  if (unnoted(security["readOnlyRootFilesystem"]) !== true) return container;
  const open = noted("Synced files are written into it.", false);
  return { ...fields, securityContext: { ...security, readOnlyRootFilesystem: open } };
}

function quicklyReady(container: Tree): Tree {
  const fields = unnoted(container);
  if (!isMap(fields)) return container;
  const probe = mapAt(fields["readinessProbe"]);
  const every = unnoted(probe["periodSeconds"]);
  if (typeof every !== "number" || every <= period) return container;
  const quick = noted("Asked often: a rollout waits for the next answer.", period);
  return { ...fields, readinessProbe: { ...probe, periodSeconds: quick } };
}
