import type { Writable } from "node:stream";
import { openEngine, openTarget } from "./session/adapters.js";
import { loadProject, type LoadedProject, type ProjectOptions } from "./session/session.js";

export interface DownOptions extends ProjectOptions {
  readonly dryRun: boolean;
  readonly namespaces: boolean;
  readonly volumes: boolean;
  /** What runs on the engine itself, also where the project has moved on to a cluster. */
  readonly docker?: boolean;
  /** Where it runs has been said before. */
  readonly isPlaceTold?: boolean;
  readonly signal: AbortSignal;
  /** Where to print what went and what was kept. */
  readonly out: Writable;
}

/** `devloop down`: removes what the project's inventory lists, or what carries its labels on the engine, and nothing else. */
export async function downCommand(options: Omit<DownOptions, "out">): Promise<number> {
  return removeDeployed({
    ...options,
    out: process.stdout,
    ...(await loadProject(options, { check: false })),
  });
}

/** Removes what the project deployed and prints what went and what was kept. Resolves with the exit code. */
export async function removeDeployed(options: DownOptions & LoadedProject): Promise<number> {
  const { project, dryRun, signal, env, out } = options;
  const onNote = (message: string): void => {
    process.stderr.write(`${message}\n`);
  };
  const spec =
    options.docker === true ? { ...project.cluster, provider: "docker" as const } : project.cluster;
  const { target } = await openTarget(spec, {
    project: project.name,
    onlyExisting: true,
    engine: openEngine(env),
    env,
    onNote: options.isPlaceTold === true ? () => undefined : onNote,
    signal,
  });
  await using _target = target;
  const request = {
    project: project.name,
    dryRun,
    includeNamespaces: options.namespaces,
    includeVolumes: options.volumes,
  };
  const { removed, kept } = await target.remove(request, { signal, onNote });
  const verb = dryRun ? "would remove" : "removed";
  for (const object of removed) out.write(`${verb} ${object}\n`);
  for (const object of kept) out.write(`kept ${object}\n`);
  if (removed.length === 0)
    out.write(`nothing of ${project.name} is deployed in ${target.cluster.context}\n`);
  return 0;
}
