import { relative } from "node:path";
import type { PublicState } from "../control/protocol.js";
import type { RunningLoop } from "../control/find-loop.js";
import type { PlaceSurvey } from "../cluster/disk/survey.js";
import { surveyDisk } from "../cluster/disk/survey.js";
import { glanceAtWorkloads } from "../cluster/observe/glance.js";
import type { PodView } from "../cluster/observe/pod-view.js";
import { KubeStatusError } from "../cluster/kube.js";
import type { ContainerEngine } from "../engine/container-engine.js";
import type { Project } from "../engine/project.js";
import type { ClusterState, WorkloadHealth } from "../engine/state.js";
import type { AppliedWorkload } from "../engine/task.js";
import type { Deployed, Target } from "../engine/target.js";
import { DevloopError, errorText, toFailure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { tableLines } from "../lib/table.js";
import { findTarget, imageNames, keptBuilds, placeLine } from "./disk.js";
import { findRunning } from "./find-running.js";
import { loopLines, watchStatus } from "./loop-status.js";
import { type EngineAdapter, enginePlaces, openEngine, type TargetAdapter } from "./session/adapters.js";
import { newestBuilds } from "./session/remembered-builds.js";
import { type ContainerVerdict, verdictLines, verifySync } from "./verify-sync.js";
import { loadProject, type ProjectOptions } from "./session/session.js";

export interface StatusOptions extends ProjectOptions {
  readonly json: boolean;
  /** Compares the files that are synced with every container. */
  readonly verify: boolean;
  /** Goes on with what the running loop does. */
  readonly watch: boolean;
  readonly signal: AbortSignal;
}

/**
 * `devloop status`: what the project's loop does where one runs, what is deployed and how it is, and what the images take on disk.
 * Changes nothing, and tells what it can where the engine or the cluster does not answer.
 */
export async function statusCommand(options: StatusOptions): Promise<number> {
  const { env, signal, json } = options;
  if (options.watch) return watchStatus(await findRunning(options), options);
  const running = await answeringLoop(options);
  const { project, loaded } = await loadProject(options, { check: false });
  const notes: string[] = [];
  const onNote = (note: string): void => void notes.push(note);
  const engine = await answeringEngine(options, onNote);
  // Without the engine no cluster can be told to be local, which would be said in its place.
  const where =
    engine && (await findTarget(project.cluster, { project: project.name, engine, env, onNote, signal }));
  await using target = where?.target;
  const told = <T>(what: string, read: Promise<T>): Promise<T | undefined> => {
    return read.catch((error: unknown) => {
      signal.throwIfAborted();
      if (!(error instanceof DevloopError) && !(error instanceof KubeStatusError)) throw error;
      onNote(`${what}: ${errorText(error)}`);
      return undefined;
    });
  };
  const [workloads, disk = []] = await Promise.all([
    target ? told("what is deployed cannot be read", readWorkloads(target, project, signal)) : undefined,
    engine
      ? told("the disk cannot be read", readDisk(engine.engine, where, options, project, onNote))
      : undefined,
  ]);
  const verify = options.verify && where && workloads;
  const synced = verify
    ? await told(
        "the containers cannot be compared",
        verifySync(where, project, workloads.pods, { env, signal }),
      )
    : undefined;
  const status: Status = {
    running,
    project,
    file: loaded.file,
    cluster: target && { ...target.cluster, server: target.address },
    workloads,
    disk,
    synced,
    notes,
  };
  if (json) process.stdout.write(`${JSON.stringify(jsonStatus(status), null, 2)}\n`);
  else {
    for (const note of notes) process.stderr.write(`${note}\n`);
    process.stdout.write(`${textStatus(status, options.cwd).join("\n")}\n`);
  }
  if (!options.verify) return 0;
  return synced?.every(({ state }) => state === "same") === true ? 0 : 1;
}

interface Status {
  /** Undefined where none runs. */
  readonly running: { readonly loop: RunningLoop; readonly state: PublicState } | undefined;
  readonly project: Project;
  readonly file: string;
  readonly cluster: (ClusterState & { readonly server: string }) | undefined;
  /** Undefined where the cluster could not be asked. */
  readonly workloads: Workloads | undefined;
  readonly disk: readonly PlaceSurvey[];
  /** Undefined where it was not asked for. */
  readonly synced: readonly ContainerVerdict[] | undefined;
  readonly notes: readonly string[];
}
interface Workloads extends Pick<Deployed, "missing"> {
  readonly pods: readonly PodView[];
  readonly found: readonly {
    readonly workload: AppliedWorkload;
    readonly health: WorkloadHealth | undefined;
  }[];
}

async function answeringLoop(options: StatusOptions): Promise<Status["running"]> {
  try {
    const loop = await findRunning(options);
    const state = (await loop.client.get("/v1/state", {}, options)) as PublicState;
    return { loop, state };
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING") return undefined;
    throw error;
  }
}

async function answeringEngine(
  { env, signal }: StatusOptions,
  onNote: (note: string) => void,
): Promise<EngineAdapter | undefined> {
  try {
    const adapter = openEngine(env);
    await adapter.engine.ping({ signal });
    return adapter;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DevloopError)) throw error;
    onNote(describeFailure(toFailure(error)).join("\n"));
    return undefined;
  }
}

async function readWorkloads(target: Target, { name }: Project, signal: AbortSignal): Promise<Workloads> {
  const { workloads, missing } = await target.deployed(name, { signal });
  const { health, pods } = await glanceAtWorkloads(target, workloads, { signal });
  return {
    missing,
    pods,
    found: workloads.map((workload) => ({ workload, health: health.get(workload.id) })),
  };
}

async function readDisk(
  engine: ContainerEngine,
  where: TargetAdapter | undefined,
  { env, signal }: StatusOptions,
  { images, keepImages }: Project,
  onNote: (note: string) => void,
): Promise<readonly PlaceSurvey[]> {
  const keep = keptBuilds(keepImages);
  const names = imageNames(images, where?.registry);
  const request = { names, keep, current: await newestBuilds(keep, env) };
  const { places, notes } = await surveyDisk(where?.disk ?? enginePlaces({ engine }), request, { signal });
  notes.forEach(onNote);
  return places;
}

/** The status for people. */
function textStatus(
  { running, project, file, cluster, workloads, disk, synced }: Status,
  cwd: string,
): string[] {
  const where = cluster
    ? `${cluster.context} at ${cluster.server}, namespace ${cluster.namespace}`
    : "not known: see above";
  return [
    ...tableLines([
      ["project", `${project.name}, ${relative(cwd, file)}`],
      ...(running ? [] : [["loop", "none runs; devloop up starts one"]]),
      ["cluster", where],
      ...disk.map((place, index) => [index === 0 ? "disk" : "", placeLine(place)]),
      ...(workloads?.missing ?? []).map((title) => [
        "missing",
        `${title} was deployed and is not there any more`,
      ]),
    ]),
    // The loop knows more of its workloads than a look at the cluster does.
    ...(running
      ? ["", ...loopLines(running.loop, running.state)]
      : workloads
        ? ["", ...workloadLines(workloads)]
        : []),
    ...(synced ? ["", ...verdictLines(synced)] : []),
  ];
}

function workloadLines({ found }: Workloads): string[] {
  if (found.length === 0) return ["no workload of this project is deployed"];
  return tableLines([
    ["WORKLOAD", "STATE", "PODS", ""],
    ...found.map(({ workload, health }) => [
      `${workload.kind}/${workload.name}`,
      health?.status ?? "unknown",
      health ? `${health.ready}/${health.desired}` : "",
      health && health.status !== "ready" ? (health.cause?.message ?? health.message) : "",
    ]),
  ]);
}

function jsonStatus({ running, project, file, cluster, workloads, disk, synced, notes }: Status): object {
  return {
    project: { name: project.name, file },
    ...(running ? { loop: running.state } : {}),
    ...(cluster
      ? {
          cluster: {
            context: cluster.context,
            server: cluster.server,
            namespace: cluster.namespace,
          },
        }
      : {}),
    ...(workloads
      ? {
          workloads: workloads.found.map(({ workload: { id, kind, namespace, name }, health }) => ({
            ...{ id, kind, namespace, name, status: health?.status ?? "unknown" },
            ...(health
              ? {
                  ready: health.ready,
                  desired: health.desired,
                  restarts: health.restarts,
                  message: health.message,
                  ...(health.cause ? { cause: health.cause } : {}),
                }
              : {}),
          })),
          missing: workloads.missing,
        }
      : {}),
    disk: disk.map(({ place, choices, held, freed }) => ({
      place,
      builds: choices.length,
      removable: choices.filter(({ keptFor }) => keptFor === undefined).length,
      held,
      freed,
    })),
    ...(synced ? { synced } : {}),
    notes,
  };
}
