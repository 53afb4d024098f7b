import { dirname, relative, resolve, sep } from "node:path";
import type { ClusterSpec, DeploySpec, ForwardSpec, ImageSpec, Project } from "../engine/model.js";
import { hashJson } from "../lib/canonical-json.js";
import { forwardId, forwardTarget } from "./check-forwards.js";
import type { LoadedConfig } from "./load.js";
import type { Config, ForwardConfig } from "./schema.js";

/** The project that the loop works on: every path absolute, nothing looked up on disk (checkPaths does that). */
export function toProject({ config, file }: Pick<LoadedConfig, "config" | "file">): Project {
  const root = dirname(file);
  return {
    name: config.name,
    root,
    cluster: definedOnly<ClusterSpec>(config.cluster),
    images: Object.entries(config.images).map(([name, image]) => toImage(name, image, root)),
    deploys: withDistinctIds(config.deploy.map((entry) => toDeploy(entry, root))),
    forwards: config.forwards.map(toForward),
    maxBuilds: config.limits.builds,
  };
}

/** A chart or values file that is fetched from elsewhere: `oci://…`, `https://…`. */
export function isAddress(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path);
}

function toImage(name: string, image: Config["images"][string], root: string): ImageSpec {
  const context = resolve(root, image.context);
  return withHash<Omit<ImageSpec, "specHash">>(
    definedOnly({ ...image, name, context, dockerfile: resolve(context, image.dockerfile) }),
  );
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type UnhashedDeploy = DistributiveOmit<DeploySpec, "specHash">;

function toDeploy(entry: Config["deploy"][number], root: string): UnhashedDeploy {
  if (entry.kustomize !== undefined) {
    const path = resolve(root, entry.kustomize);
    return { kind: "kustomize", id: relative(root, path).split(sep).join("/") || ".", path };
  }
  if (entry.helm !== undefined) {
    const { chart, release, values, set, namespace } = entry.helm;
    const local = (path: string): string => (isAddress(path) ? path : resolve(root, path));
    return {
      kind: "helm",
      id: `helm:${release}`,
      release,
      chart: local(chart),
      values: values.map(local),
      set,
      ...(namespace === undefined ? {} : { namespace }),
    };
  }
  // The schema lets exactly one of the three stand.
  const patterns = [entry.manifests ?? []].flat();
  return { kind: "manifests", id: `manifests:${patterns[0] ?? ""}`, patterns, root };
}

/** The second of equal ids becomes `<id>#2`, and so on: ids name tasks. */
function withDistinctIds(deploys: readonly UnhashedDeploy[]): readonly DeploySpec[] {
  const seen = new Map<string, number>();
  return deploys.map((deploy) => {
    const count = (seen.get(deploy.id) ?? 0) + 1;
    seen.set(deploy.id, count);
    return withHash(count === 1 ? deploy : { ...deploy, id: `${deploy.id}#${count}` });
  });
}

function toForward(forward: ForwardConfig): ForwardSpec {
  const { namespace, host, local, remote, strict } = forward;
  return {
    id: forwardId(forward),
    ...forwardTarget(forward),
    ...(namespace === undefined ? {} : { namespace }),
    host,
    local,
    remote,
    strict,
  };
}

function withHash<T extends object>(spec: T): T & { readonly specHash: string } {
  return { ...spec, specHash: hashJson(spec) };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without the members that are undefined: a value that is not given is not there at all. */
function definedOnly<T extends object>(value: { [K in keyof T]: T[K] | undefined }): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;
}
