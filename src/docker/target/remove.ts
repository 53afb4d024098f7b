import type { RemoveRequest } from "../../engine/target.js";
import type { EngineContainers, InspectedContainer } from "../engine-containers.js";
import type { PodWays } from "./found-pod.js";
import { label, labelled } from "./labels.js";
import type { PodObject } from "./objects.js";
import { slotsOf } from "./pod-status.js";
import { probeTargetOf } from "./probe-target.js";
import { endingOf, graceOf, stopContainers } from "./stop-containers.js";

/** Removes all that carries a project's label: containers, its network, the pods' volumes, and claims where it is asked for. */
export async function removeFound(
  engine: EngineContainers,
  ways: PodWays,
  { project, dryRun, includeVolumes = false }: RemoveRequest,
  options: { readonly signal: AbortSignal },
): Promise<{ readonly removed: readonly string[]; readonly kept: readonly string[] }> {
  const own = labelled(label.project, project);
  const [found, volumes] = await Promise.all([engine.list([own], options), engine.volumes(own, options)]);
  const removed = new Set(found.map(titleOf));
  const kept: string[] = [];
  if (!dryRun) {
    const pods = new Set(found.map(({ labels }) => labels[label.uid] ?? ""));
    await Promise.all(
      [...pods].map((uid) => {
        const of = found.filter(({ labels }) => (labels[label.uid] ?? "") === uid);
        return stopFound(engine, ways, of, options);
      }),
    );
    // What the engine was still making when it was first asked comes to light later.
    for (let left = found; left.length > 0; left = await engine.list([own], options)) {
      const holds = left.filter(({ labels }) => labels[label.role] === "hold");
      const others = left.filter((container) => !holds.includes(container));
      await Promise.all(others.map(({ id }) => engine.remove(id, options)));
      await Promise.all(holds.map(({ id }) => engine.remove(id, options)));
    }
  }
  for (const { name, labels } of volumes) {
    const claim = labels[label.claim];
    const title = `PersistentVolumeClaim/${claim ?? ""} in ${labels[label.namespace] ?? ""}`;
    if (claim !== undefined && !includeVolumes) kept.push(title);
    else {
      if (claim !== undefined) removed.add(title);
      if (!dryRun) await engine.removeVolume(name, options);
    }
  }
  if (!dryRun)
    for (const network of await engine.networks(own, options)) await engine.removeNetwork(network, options);
  return { removed: [...removed].sort(), kept: kept.sort() };
}

/** Removes what is there of a pod, by its uid: its containers, those that hold its network last, and its own volumes. */
export async function removePod(
  engine: EngineContainers,
  uid: string,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const own = labelled(label.uid, uid);
  const known = await engine.list([own], options);
  const holds = known.filter(({ labels }) => labels[label.role] === "hold");
  const others = known.filter((container) => !holds.includes(container));
  await Promise.all(others.map(({ id }) => engine.remove(id, options)));
  await Promise.all(holds.map(({ id }) => engine.remove(id, options)));
  for (const { name } of await engine.volumes(own, options)) await engine.removeVolume(name, options);
}

function titleOf({ labels }: InspectedContainer): string {
  const home = labels[label.namespace] ?? "";
  if (labels[label.role] === "service") return `Service/${labels[label.service] ?? ""} in ${home}`;
  const [kind = "", , name = ""] = (labels[label.owner] ?? "").split("/");
  return `${kind}/${name} in ${home}`;
}

/** Has a pod's containers end as its session would. Without what holds its network, nothing tells what it is. */
async function stopFound(
  engine: EngineContainers,
  { network, ...ways }: PodWays,
  containers: readonly InspectedContainer[],
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const running = containers.filter(
    ({ labels, state }) => labels[label.role] === "container" && state.running,
  );
  const hold = containers.find(({ labels }) => labels[label.pod] !== undefined);
  if (!hold) {
    await Promise.all(running.map(({ id }) => engine.stop(id, 30, { signal })));
    return;
  }
  const pod = JSON.parse(hold.labels[label.pod] ?? "") as PodObject;
  const where = { id: hold.id, address: hold.addresses[network] ?? "" };
  await stopContainers(engine, endingOf(slotsOf(pod, containers, true)), {
    graceSeconds: graceOf(pod),
    targetOf: (of) => probeTargetOf(ways, of, () => where),
    signal,
  });
}
