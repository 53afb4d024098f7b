import { pack } from "tar-stream";
import { fieldOf, type PodFacts } from "./environment.js";
import {
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

/**
 * A pod's volumes with the files that stand in them at its start. Throws PodConfigError for a source that is not there, and for kinds
 * of volumes that are refused.
 */
export function podVolumes(spec: PodSpec, pod: PodFacts, find: FindConfig): readonly PodVolume[] {
  return (spec.volumes ?? []).map((volume) => podVolume(volume, pod, find));
}

function podVolume(volume: VolumeSpec, pod: PodFacts, find: FindConfig): PodVolume {
  const { name, configMap, secret, projected, downwardAPI, persistentVolumeClaim } = volume;
  if (persistentVolumeClaim) return { name, claim: persistentVolumeClaim.claimName, shared: true, files: [] };
  if (volume.emptyDir !== undefined) return { name, shared: true, files: [] };
  const sources: readonly FileSource[] | undefined = projected
    ? (projected.sources ?? [])
    : (configMap ?? secret ?? downwardAPI)
      ? [volume]
      : undefined;
  if (!sources) {
    const kind = Object.keys(volume).find((key) => key !== "name") ?? "unknown";
    throw new PodConfigError(`volume ${name} is of kind ${kind}, which the docker target does not mount`);
  }
  const mode = (projected ?? configMap ?? secret)?.defaultMode ?? 0o644;
  return { name, shared: false, files: sources.flatMap((source) => filesOf(source, mode, pod, find)) };
}

function filesOf(
  { configMap, secret, downwardAPI }: FileSource,
  defaultMode: number,
  pod: PodFacts,
  find: FindConfig,
): readonly VolumeFile[] {
  if (downwardAPI) {
    return (downwardAPI.items ?? []).flatMap(({ path, mode = defaultMode, fieldRef }) =>
      fieldRef ? [{ path, mode, content: Buffer.from(fieldOf(fieldRef.fieldPath, pod)) }] : [],
    );
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

/** The volumes' roots and files as one archive, each below the volume's name. `group` owns them where the pod has an fsGroup. */
export async function volumesArchive(volumes: readonly PodVolume[], group = 0): Promise<Buffer> {
  const archive = pack();
  for (const { name, shared, files } of volumes) {
    archive.entry({
      name,
      type: "directory",
      mode: shared ? (group === 0 ? 0o777 : 0o2777) : 0o755,
      gid: group,
    });
    for (const { path, mode, content } of files) {
      const readable = group === 0 ? mode : mode | 0o440;
      archive.entry({ name: `${name}/${path}`, mode: readable, gid: group, size: content.length }, content);
    }
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
