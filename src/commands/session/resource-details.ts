import { stringify } from "yaml";
import { glanceAtWorkloads } from "../../cluster/observe/glance.js";
import { readLogs } from "../../cluster/observe/read-logs.js";
import { replaceImages } from "../../cluster/render/images.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { ResourceDetails } from "../../engine/loop-control.js";
import type { State, WorkloadState } from "../../engine/state.js";
import { loaded, taskId, taskState } from "../../engine/task-lookup.js";
import type { Target } from "../../engine/target.js";
import { DevloopError } from "../../lib/errors.js";
import type { ManifestStore } from "./manifests.js";

/** What this process's loop can tell of a workload beyond the state. */
export function localDetails({
  getState,
  manifests,
  target,
  redact,
}: {
  readonly getState: () => State;
  readonly manifests: ManifestStore;
  /** Undefined until it was found. */
  readonly target: () => Pick<Target, "describe" | "watch" | "openLog"> | undefined;
  readonly redact: (text: string) => string;
}): ResourceDetails {
  const workload = (id: string): WorkloadState => {
    const found = getState().workloads[id];
    if (!found) throw new DevloopError("NOT_FOUND", `there is no workload ${id}`);
    return found;
  };

  const cluster = () => {
    const found = target();
    if (!found) throw new DevloopError("CLUSTER_UNREACHABLE", "the cluster has not been found yet");
    return found;
  };

  return {
    manifest(id) {
      const state = getState();
      const of = workload(id);
      const { success } = taskState(state, taskId("deploy", of.deploy));
      // A deploy's key begins with its render's hash.
      const hash = success?.key.split("|")[0];
      const renders = manifests.renders(of.deploy);
      const texts = renders
        .slice(
          Math.max(
            0,
            renders.findIndex((each) => each.hash === hash),
          ),
        )
        .map(({ objects }) => manifestText(state, objects, of))
        .filter((text) => text !== undefined)
        .map(redact);
      const [text, before] = texts;
      return Promise.resolve(
        hash === undefined || text === undefined
          ? undefined
          : { text, ...(before === undefined ? {} : { before }) },
      );
    },
    async describe(id, { signal }) {
      return redact(await cluster().describe(workload(id), { signal }));
    },
    async previousLogs(id, { signal }) {
      const { expected, ...of } = workload(id);
      const { pods } = await glanceAtWorkloads(cluster(), [{ ...of, generation: expected }], { signal });
      const lines = await readLogs(cluster(), pods, { previous: true, signal });
      const several = new Set(lines.map(({ pod, container }) => `${pod}/${container}`)).size > 1;
      return redact(
        lines.map(({ pod, container, text }) => (several ? `${pod}/${container} ${text}` : text)).join("\n"),
      );
    },
  };
}

/** The workload among rendered objects, in YAML, with the images that its pods run. */
function manifestText(
  state: State,
  objects: readonly KubeObject[],
  { kind, name }: WorkloadState,
): string | undefined {
  const object = objects.find((each) => each.kind === kind && each.metadata.name === name);
  if (!object) return undefined;
  const refs = Object.fromEntries(
    Object.keys(state.images).flatMap((image) => {
      const ref = loaded(state, image)?.ref;
      return ref === undefined ? [] : [[image, ref]];
    }),
  );
  return stringify(replaceImages([object], refs).objects[0]);
}
