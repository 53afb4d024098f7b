import { posix } from "node:path";
import type { PodFacts } from "./environment.js";
import { environmentOf, expand } from "./environment.js";
import { checkHostPath, checkSubPath } from "./host-paths.js";
import { type ContainerSpec, type FindConfig, PodConfigError, type PodSpec } from "./objects.js";
import type { VolumePlace } from "./volumes.js";
import { bytesOf, cpusOf } from "./quantities.js";

/** What a container is joined to. */
export interface ContainerPlace {
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

/**
 * The engine's request for a container, as its API has it (docs.docker.com/reference/api/engine, ContainerCreate). Throws
 * PodConfigError for what the manifest names and is not there.
 */
export function containerBody(
  container: ContainerSpec,
  spec: PodSpec,
  pod: PodFacts,
  { hold, places, hostPaths, mountsParts, labels, find, links }: ContainerPlace,
): object {
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
  return defined({
    Image: container.image,
    Entrypoint: command?.length ? words(command) : undefined,
    Cmd: args?.length ? words(args) : undefined,
    Env: [...env].map(([name, value]) => `${name}=${value}`),
    WorkingDir: workingDir,
    User: userOf(of),
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
      NanoCpus: cpus === undefined ? undefined : Math.max(1e7, Math.round(cpus * 1e9)),
      Mounts: mountsOf(container, { places, hostPaths, mountsParts }, env),
      RestartPolicy: { Name: "no" },
    }),
  });
}

function userOf({
  runAsUser,
  runAsGroup,
}: {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}): string | undefined {
  if (runAsUser === undefined) return undefined;
  return runAsGroup === undefined ? String(runAsUser) : `${runAsUser}:${runAsGroup}`;
}

function mountsOf(
  { volumeMounts = [], name: container }: ContainerSpec,
  { places, hostPaths, mountsParts }: Pick<ContainerPlace, "places" | "hostPaths" | "mountsParts">,
  env: ReadonlyMap<string, string>,
): object[] {
  return volumeMounts.map(({ name, mountPath, readOnly = false, subPath, ...more }) => {
    const place = places.get(name);
    if (!place)
      throw new PodConfigError(`container ${container} mounts volume ${name}, which the pod does not have`);
    const expression = (more as { readonly subPathExpr?: string }).subPathExpr;
    const below = expression === undefined ? subPath : expand(expression, (variable) => env.get(variable));
    if (below !== undefined) checkSubPath(name, below);
    if (place.kind === "bind") {
      const Source = below === undefined ? place.source : posix.join(place.source, below);
      // A link may have come since the pod's volumes were looked at.
      checkHostPath(name, Source, hostPaths);
      const BindOptions = { CreateMountpoint: place.create };
      return { Type: "bind", Source, Target: mountPath, ReadOnly: readOnly, BindOptions };
    }
    if (below !== undefined && !mountsParts)
      throw new PodConfigError(
        `container ${container} mounts ${below} of volume ${name} alone, for which the engine must be Docker 26 or newer`,
      );
    return {
      Type: "volume",
      Source: place.source,
      Target: mountPath,
      ReadOnly: readOnly,
      // A volume hides what the image has there; the engine would copy it in.
      VolumeOptions: { NoCopy: true, ...(below === undefined ? {} : { Subpath: below }) },
    };
  });
}

function defined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
