import { errorText } from "../../lib/errors.js";
import type { AppliedWorkload } from "../../engine/model.js";
import type { InspectedContainer } from "../engine-containers.js";
import type { PodDialer, Programs } from "./dial.js";
import { foundOwners } from "./found-owners.js";
import { label } from "./labels.js";
import type { ObjectStore } from "./object-store.js";
import type { PodObject, WorkloadObject } from "./objects.js";
import { shownPod, slotsOf } from "./pod-status.js";
import { askProbe } from "./probe.js";

interface Found {
  readonly store: ObjectStore;
  readonly network: string;
  readonly dialer: PodDialer;
  readonly programs: Programs;
}

/**
 * Shows what a project has on the engine, by its containers' labels. A container that runs is ready when its probes, each asked once
 * and now, are answered. Returns the workloads.
 */
export async function showFound(
  { store, ...ways }: Found,
  found: readonly InspectedContainer[],
  options: { readonly signal: AbortSignal },
): Promise<readonly AppliedWorkload[]> {
  return await Promise.all(
    foundOwners(found).map(async ({ id, object, pods: byUid }) => {
      const { kind, metadata } = object;
      const { name, namespace = "" } = metadata;
      const uid = metadata.uid ?? id;
      const pods = (
        await Promise.all([...byUid.values()].map((containers) => lookAtPod(ways, containers, options)))
      ).filter((pod) => pod !== undefined);
      for (const { pod } of pods)
        store.set({ ...pod, metadata: { ...pod.metadata, ...ownedBy(kind, name, uid) } });
      if (kind !== "Pod") {
        const ready = pods.filter((pod) => pod.ready).length;
        const desired = (object as WorkloadObject).spec.replicas ?? 1;
        const succeeded = pods.filter(({ phase }) => phase === "Succeeded").length;
        store.set({
          ...object,
          metadata: { ...metadata, uid, generation: 1 },
          status: {
            observedGeneration: 1,
            replicas: pods.length,
            readyReplicas: ready,
            availableReplicas: ready,
            updatedReplicas: Math.max(pods.length, desired),
            desiredNumberScheduled: 1,
            succeeded,
            ...(kind === "Job" && succeeded > 0
              ? { conditions: [{ type: "Complete", status: "True" }] }
              : {}),
          },
        });
        if (kind === "Deployment")
          store.set({
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            metadata: { name, namespace, uid: `${uid}-set`, ownerReferences: [{ kind, name, uid }] },
            status: { availableReplicas: ready },
          });
      }
      return { id, kind, namespace, name, uid, generation: kind === "Pod" ? 0 : 1, images: [] };
    }),
  );
}

function ownedBy(kind: string, name: string, uid: string): object {
  if (kind === "Pod") return {};
  const owner = kind === "Deployment" ? { kind: "ReplicaSet", name, uid: `${uid}-set` } : { kind, name, uid };
  return { ownerReferences: [owner] };
}

async function lookAtPod(
  { network, dialer, programs }: Omit<Found, "store">,
  containers: readonly InspectedContainer[],
  { signal }: { readonly signal: AbortSignal },
) {
  const hold = containers.find(({ labels }) => labels[label.role] === "hold");
  const text = hold?.labels[label.pod];
  if (!hold || text === undefined) return undefined;
  const pod = JSON.parse(text) as PodObject;
  const address = hold.addresses[network] ?? "";
  const slots = await Promise.all(
    slotsOf(pod, containers, hold.state.running).map(async (slot) => {
      const { id, spec, state } = slot;
      const probe = spec.readinessProbe ?? spec.startupProbe;
      if (id === undefined || !state.running || !probe) return slot;
      const ports = (spec.ports ?? []).flatMap(({ name, containerPort }) =>
        name === undefined ? [] : [[name, containerPort] as const],
      );
      const problem = await askProbe(
        probe,
        {
          address,
          namedPorts: Object.fromEntries(ports),
          dial: (port, by) => dialer.dial({ hold: hold.id, address, port }, by),
          check: (port, by) => dialer.check({ hold: hold.id, address, port }, by),
          exec: (argv, by) => programs.run(id, argv, by),
        },
        { signal },
      ).catch((error: unknown) => errorText(error));
      return { ...slot, ready: problem === undefined };
    }),
  );
  const shown = shownPod(pod, {
    slots,
    restart: pod.spec.restartPolicy ?? "Always",
    createdAt: pod.metadata.creationTimestamp ?? hold.createdAt,
    address,
    stopping: undefined,
    failed: false,
  });
  const status = shown["status"] as {
    readonly phase: string;
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
  const ready = status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
  return { pod: shown, ready, phase: status.phase };
}
