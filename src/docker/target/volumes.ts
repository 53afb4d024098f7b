import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { Directory } from "../engine-containers.js";
import { fieldOf, type PodFacts, resourceOf } from "./environment.js";
import { checkHostPath } from "./host-paths.js";
import {
  type ContainerSpec,
  configValues,
  type FileSource,
  type FindConfig,
  PodConfigError,
  type PodSpec,
  type VolumeSpec,
} from "./objects.js";

/** A file of a volume that is made from other objects. */
export interface VolumeFile {
  /** Below the volume's root. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}
/** A volume of a pod, as the engine is to have it. */
export interface PodVolume {
  readonly name: string;
  /** The claim it is, which outlives the pod; left out for one that goes with it. */
  readonly claim?: string;
  /** Anybody may write into it, as Kubernetes has it. */
  readonly shared: boolean;
  readonly files: readonly VolumeFile[];
}

/** A file or directory below a volume's root. */
export interface VolumePart {
  readonly volume: string;
  readonly path: string;
}

/** What a pod's volumes are made from. */
export interface VolumeSources {
  readonly find: FindConfig;
  /** Directories of the engine's machine that pods may have, each with all below it. */
  readonly hostPaths: readonly string[];
}

/** Where a volume is for the engine: a volume of its own by its name, or a path of its machine. */
export interface VolumePlace {
  readonly kind: "volume" | "bind";
  readonly source: string;
  /** A directory that is not there yet is made. */
  readonly create: boolean;
  /** Whatever mounts it, no container writes into it. */
  readonly readOnly: boolean;
}

/** Where each of a pod's volumes is; `claims` and `own` begin the names of those that outlive it and of those that do not. */
export function volumePlaces(
  spec: PodSpec,
  { claims, own }: { readonly claims: string; readonly own: string },
): ReadonlyMap<string, VolumePlace> {
  return new Map((spec.volumes ?? []).map((volume) => [volume.name, placeOf(volume, { claims, own })]));
}

function placeOf(
  { name, persistentVolumeClaim: claim, hostPath, ...kinds }: VolumeSpec,
  { claims, own }: { readonly claims: string; readonly own: string },
): VolumePlace {
  if (hostPath) {
    const create = hostPath.type === "DirectoryOrCreate";
    return { kind: "bind", source: hostPath.path, create, readOnly: false };
  }
  const source = claim ? `${claims}.${claim.claimName}` : `${own}.${name}`;
  const { configMap, secret, projected, downwardAPI } = kinds;
  const readOnly = claim ? claim.readOnly === true : Boolean(configMap ?? secret ?? projected ?? downwardAPI);
  return { kind: "volume", source, create: true, readOnly };
}

/**
 * The volumes that the engine is to have for a pod, with the files that stand in them. Throws PodConfigError for a source that is not
 * there, for kinds of volumes that are refused, and for paths of the machine that are not allowed.
 */
export function podVolumes(spec: PodSpec, pod: PodFacts, sources: VolumeSources): readonly PodVolume[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return (spec.volumes ?? []).flatMap((volume) => {
    if (!volume.hostPath) return [podVolume(volume, { pod, containers, find: sources.find })];
    checkHostPath(volume.name, volume.hostPath.path, sources.hostPaths);
    return [];
  });
}

/** What the files of a volume are made from. */
interface FileFacts {
  readonly pod: PodFacts;
  readonly containers: readonly ContainerSpec[];
  readonly find: FindConfig;
}

function podVolume(volume: VolumeSpec, facts: FileFacts): PodVolume {
  const { name, configMap, secret, projected, downwardAPI, persistentVolumeClaim } = volume;
  if (persistentVolumeClaim) return { name, claim: persistentVolumeClaim.claimName, shared: true, files: [] };
  const kind = Object.keys(volume).find((key) => key !== "name");
  if (kind === undefined || volume.emptyDir !== undefined) return { name, shared: true, files: [] };
  const sources: readonly FileSource[] | undefined = projected
    ? (projected.sources ?? [])
    : (configMap ?? secret ?? downwardAPI)
      ? [volume]
      : undefined;
  if (!sources)
    throw new PodConfigError(`volume ${name} is of kind ${kind}, which the docker target does not mount`);
  const mode = (projected ?? configMap ?? secret ?? downwardAPI)?.defaultMode ?? 0o644;
  return { name, shared: false, files: sources.flatMap((source) => filesOf(source, mode, facts)) };
}

function filesOf(
  { configMap, secret, downwardAPI }: FileSource,
  defaultMode: number,
  { pod, containers, find }: FileFacts,
): readonly VolumeFile[] {
  if (downwardAPI) {
    return (downwardAPI.items ?? []).flatMap(({ path, mode = defaultMode, fieldRef, resourceFieldRef }) => {
      const of = containers.find((each) => each.name === resourceFieldRef?.containerName);
      const text = fieldRef
        ? fieldOf(fieldRef.fieldPath, pod)
        : resourceFieldRef && of && resourceOf(resourceFieldRef, of, pod);
      return text === undefined ? [] : [{ path, mode, content: Buffer.from(text) }];
    });
  }
  const kind = configMap ? "ConfigMap" : "Secret";
  const source = configMap ?? secret;
  // A service account's token has nobody to be shown to.
  if (!source) return [];
  const name = source.name ?? secret?.secretName ?? "";
  const found = find(kind, pod.namespace, name);
  if (!found) {
    if (source.optional === true) return [];
    throw new PodConfigError(`${kind.toLowerCase()} "${name}" not found`);
  }
  const values = configValues(found);
  if (!source.items) return [...values].map(([path, content]) => ({ path, mode: defaultMode, content }));
  return source.items.flatMap(({ key, path, mode = defaultMode }) => {
    const content = values.get(key);
    if (content) return [{ path, mode, content }];
    if (source.optional === true) return [];
    throw new PodConfigError(`${kind.toLowerCase()} ${name} references non-existent config key: ${key}`);
  });
}

/** Who owns a directory, and who may do what there. */
export type Access = Omit<Directory, "empty">;

/**
 * What becomes of the root of a volume that anybody may write into; undefined where it stays as it is. Only one that nobody has touched
 * yet is opened to all: of others the owner and the mode are somebody's, and `group`, the pod's fsGroup, only gets in.
 */
export function rootAccess({ uid, gid, mode, empty }: Directory, group = 0): Access | undefined {
  if (empty && uid === 0 && gid === 0 && mode === engineMode) return newRoot(group);
  const open = mode | 0o2770;
  return group === 0 || (gid === group && mode === open) ? undefined : { uid, gid: group, mode: open };
}

/** As an engine makes a volume. */
const engineMode = 0o755;

/** As Kubernetes makes a volume. */
function newRoot(group: number): Access {
  return { uid: 0, gid: group, mode: group === 0 ? 0o777 : 0o2777 };
}

/**
 * The volumes' roots and files as one archive, each below the volume's name. `group` owns the files where the pod has an fsGroup; of
 * volumes that anybody may write into only the roots in `access` are touched.
 */
export async function volumesArchive(
  volumes: readonly PodVolume[],
  access: ReadonlyMap<string, Access>,
  group = 0,
): Promise<Buffer> {
  const archive = pack();
  for (const { name, shared, files } of volumes) {
    const root = shared ? access.get(name) : newRoot(group);
    if (root) archive.entry({ name, type: "directory", ...root });
    for (const { path, mode, content } of files) {
      const readable = group === 0 ? mode : mode | 0o440;
      archive.entry({ name: `${name}/${path}`, mode: readable, gid: group, size: content.length }, content);
    }
  }
  archive.finalize();
  return await buffer(archive);
}
