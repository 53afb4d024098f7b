import { stringify } from "yaml";
import { replaceImages } from "../../cluster/render/images.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { ResourceDetails } from "../../engine/loop-control.js";
import type { State, WorkloadState } from "../../engine/model.js";
import { loaded, taskId, taskState } from "../../engine/tasks.js";
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
  readonly target: () => Pick<Target, "describe"> | undefined;
  readonly redact: (text: string) => string;
}): ResourceDetails {
  const workload = (id: string): WorkloadState => {
    const found = getState().workloads[id];
    if (!found) throw new DevloopError("NOT_FOUND", `there is no workload ${id}`);
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
      const found = target();
      if (!found) throw new DevloopError("CLUSTER_UNREACHABLE", "the cluster has not been found yet");
      return redact(await found.describe(workload(id), { signal }));
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
