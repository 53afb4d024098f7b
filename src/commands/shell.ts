import { execOnTerminal } from "../cluster/exec-terminal.js";
import { openKube } from "../cluster/kube.js";
import { readKubeconfig } from "../cluster/providers/kubeconfig.js";
import type { State } from "../engine/state.js";
import { DevloopError } from "../lib/errors.js";
import type { Environment } from "./session/adapters.js";
import type { WorkloadId } from "../engine/task.js";

/** The best shell that is there; images without one cannot be entered. */
const anyShell = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash || exec sh"];

/** A shell in a workload's newest pod that is ready, on this process's terminal, until it ends. Throws NOT_FOUND without a pod. */
export async function shellInto(
  workload: WorkloadId,
  state: State,
  { env, signal }: { readonly env: Environment; readonly signal: AbortSignal },
): Promise<void> {
  const found = state.workloads[workload];
  const pods = [...(found?.health?.pods ?? [])]
    .filter(({ terminating, phase }) => !terminating && phase === "Running")
    .sort((a, b) => Number(b.ready) - Number(a.ready) || b.createdAt - a.createdAt);
  const [pod] = pods;
  if (!found || !pod || !state.cluster)
    throw new DevloopError("NOT_FOUND", `no pod of ${found?.name ?? workload} runs`);
  const container = state.containers.find((each) => each.pod === pod.name)?.container;
  const config = readKubeconfig(env);
  config.setCurrentContext(state.cluster.context);
  using kube = openKube(config);
  process.stdout.write(`${found.name}: a shell in ${pod.name}; exit brings the screen back\n`);
  await execOnTerminal(
    kube,
    // A pod that names none of the project's images: the API server takes its first container.
    { namespace: found.namespace, pod: pod.name, container: container ?? "" },
    anyShell,
    { stdin: process.stdin, stdout: process.stdout, signal },
  );
}
