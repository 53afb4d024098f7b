import type { ContainerEngine } from "../engine/container-engine.js";
import type { Target } from "../engine/target.js";
import { applyDeploy } from "./apply/apply.js";
import { readDeployed } from "./apply/deployed.js";
import { pruneDeploys } from "./apply/prune.js";
import { removeProject } from "./apply/remove.js";
import { openResourceTypes } from "./apply/resource-types.js";
import { restartWorkload } from "./apply/restart.js";
import { imageLoader } from "./load/choose.js";
import type { LayerMemory } from "./load/known-layers.js";
import { watchClusterHealth } from "./monitor.js";
import { describeWorkload } from "./observe/describe-workload.js";
import { kubePods } from "./pod-access.js";
import type { ResolvedCluster } from "./providers/resolve.js";

/** A Kubernetes cluster as what the loop drives. Disposing closes what leads to it. */
export function kubernetesTarget(
  resolved: ResolvedCluster,
  engine: ContainerEngine,
  layers?: LayerMemory,
): Target {
  const { kube, cluster } = resolved;
  const { namespace } = cluster;
  const loader = imageLoader(engine, resolved, layers);
  const pods = kubePods(kube);
  let types: ReturnType<typeof openResourceTypes> | undefined;
  return {
    ...pods,
    cluster,
    address: kube.server,
    load: (image, options) => loader.load(image, options),
    apply: (request, options) =>
      applyDeploy(kube, request, { ...options, types: (types ??= openResourceTypes(kube)) }),
    prune: (request, options) => pruneDeploys(kube, { ...request, namespace }, options),
    remove: (request, options) => removeProject(kube, request, options),
    restart: (workload, options) => restartWorkload(kube, workload, options),
    describe: (workload, options) => describeWorkload(kube, workload, options),
    deployed: (project, options) => readDeployed(kube, project, options),
    watchHealth: (options) => watchClusterHealth(kube, cluster.uid, options),
    async [Symbol.asyncDispose]() {
      await loader[Symbol.asyncDispose]();
      pods[Symbol.dispose]();
      kube[Symbol.dispose]();
    },
  };
}
