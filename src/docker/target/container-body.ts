import { posix } from "node:path";
import type { PodFacts } from "./environment.js";
import { environmentOf, expand } from "./environment.js";
import { checkHostPath, checkSubPath } from "./host-paths.js";
import {
  type ContainerSpec,
  type FindConfig,
  PodConfigError,
  type PodSpec,
  type SecurityContext,
} from "./objects.js";
import type { VolumePart, VolumePlace } from "./volumes.js";
import { bytesOf, cpusOf } from "./quantities.js";

/** A container as the engine is to make it. */
export interface ContainerRequest {
  /** As the engine's API has it (docs.docker.com/reference/api/engine, ContainerCreate). */
  readonly body: object;
  /** What it mounts of volumes: the engine mounts only what is there. */
  readonly parts: readonly VolumePart[];
}

/** What a container is joined to. */
export interface ContainerPlace {
  /** The user that its image says. */
  readonly imageUser: string;
  /** The id of the container that holds the pod's network. */
  readonly hold: string;
  /** Where each of the pod's volumes is. */
  readonly places: ReadonlyMap<string, VolumePlace>;
  /** Paths of the engine's machine that it may have, each with all below it. */
  readonly hostPaths: readonly string[];
  /** Whether the engine mounts a part of a volume: else `subPath` of one is refused. */
  readonly mountsParts: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly find: FindConfig;
  /** Variables that lead to the Services of its namespace. */
  readonly links: ReadonlyMap<string, string>;
}

/** The engine's request for a container. Throws PodConfigError for what the manifest names and is not there. */
export function containerBody(
  container: ContainerSpec,
  spec: PodSpec,
  pod: PodFacts,
  { hold, imageUser, places, hostPaths, mountsParts, labels, find, links }: ContainerPlace,
): ContainerRequest {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const env = environmentOf(container, pod, find, { containers, links });
  const words = (list: readonly string[] | undefined): string[] | undefined =>
    list?.map((word) => expand(word, (name) => env.get(name)));
  const { securityContext: own = {}, resources = {}, command, args, workingDir } = container;
  const of = { ...spec.securityContext, ...own };
  const groups = [
    ...(spec.securityContext?.supplementalGroups ?? []),
    ...(spec.securityContext?.fsGroup === undefined ? [] : [spec.securityContext.fsGroup]),
  ];
  const memory = bytesOf(resources.limits?.["memory"]);
  const cpus = cpusOf(resources.limits?.["cpu"]);
  const isolated = `container:${hold}`;
  const mounts = mountsOf(container, { places, hostPaths, mountsParts }, env);
  const body = defined({
    Image: container.image,
    Entrypoint: command?.length ? words(command) : undefined,
    Cmd: args?.length ? words(args) : undefined,
    Env: [...env].map(([name, value]) => `${name}=${value}`),
    WorkingDir: workingDir,
    User: userOf(of, imageUser),
    OpenStdin: container.stdin === true,
    Labels: labels,
    // Its manifest says what is asked of it.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: defined({
      NetworkMode: isolated,
      IpcMode: isolated,
      PidMode: spec.shareProcessNamespace === true ? isolated : undefined,
      ReadonlyRootfs: of.readOnlyRootFilesystem === true,
      Privileged: of.privileged === true,
      CapAdd: of.capabilities?.add,
      CapDrop: of.capabilities?.drop,
      SecurityOpt: of.allowPrivilegeEscalation === false ? ["no-new-privileges"] : undefined,
      GroupAdd: groups.length > 0 ? groups.map(String) : undefined,
      Memory: memory,
      // Kubernetes' nodes have no swap: else the engine gives as much of it again.
      MemorySwap: memory,
      // NanoCpus must not be more than the machine has, as a limit may.
      CpuPeriod: cpus === undefined ? undefined : cpuPeriod,
      CpuQuota: cpus === undefined ? undefined : Math.max(leastQuota, Math.round(cpus * cpuPeriod)),
      Mounts: mounts.map(({ body: mount }) => mount),
      RestartPolicy: { Name: "no" },
    }),
  });
  return { body, parts: mounts.flatMap(({ part }) => part ?? []) };
}

/** As the kubelet divides time, in µs. */
const cpuPeriod = 100_000;
const leastQuota = 1_000;

function userOf({ runAsUser, runAsGroup }: SecurityContext, imageUser: string): string | undefined {
  if (runAsGroup === undefined) return runAsUser === undefined ? undefined : String(runAsUser);
  const [named = ""] = imageUser.split(":");
  return `${runAsUser ?? (named === "" ? 0 : named)}:${runAsGroup}`;
}

function mountsOf(
  { volumeMounts = [], name: container }: ContainerSpec,
  { places, hostPaths, mountsParts }: Pick<ContainerPlace, "places" | "hostPaths" | "mountsParts">,
  env: ReadonlyMap<string, string>,
): { readonly body: object; readonly part?: VolumePart }[] {
  return volumeMounts.map(({ name, mountPath, readOnly = false, subPath, subPathExpr }) => {
    const place = places.get(name);
    if (!place)
      throw new PodConfigError(`container ${container} mounts volume ${name}, which the pod does not have`);
    const given = subPathExpr === undefined ? subPath : expandWhole(subPathExpr, env);
    // None is the whole volume.
    const below = given === "" ? undefined : given?.replace(/\/+$/, "");
    if (given !== undefined) checkSubPath(name, given);
    const mount = { Target: mountPath, ReadOnly: readOnly || place.readOnly };
    if (place.kind === "bind") {
      const Source = below === undefined ? place.source : posix.join(place.source, below);
      // A link may have come since the pod's volumes were looked at.
      checkHostPath(name, Source, hostPaths);
      const BindOptions = { CreateMountpoint: place.create || below !== undefined };
      return { body: { Type: "bind", Source, ...mount, BindOptions } };
    }
    if (below !== undefined && !mountsParts)
      throw new PodConfigError(
        `container ${container} mounts ${below} of volume ${name} alone, for which the engine must be Docker 26 or newer`,
      );
    // A volume hides what the image has there; the engine would copy it in.
    const VolumeOptions = { NoCopy: true, ...(below === undefined ? {} : { Subpath: below }) };
    const body = { Type: "volume", Source: place.source, ...mount, VolumeOptions };
    return { body, ...(below === undefined ? {} : { part: { volume: name, path: below } }) };
  });
}

/** Throws PodConfigError for a variable that is not there or is empty, as the kubelet does. */
function expandWhole(expression: string, env: ReadonlyMap<string, string>): string {
  return expand(expression, (name) => {
    const value = env.get(name);
    if (!value) throw new PodConfigError(`subPathExpr ${expression}: missing value for "${name}"`);
    return value;
  });
}

function defined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
