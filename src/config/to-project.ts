import { dirname, relative, resolve, sep } from "node:path";
import type {
  ClusterSpec,
  DeploySpec,
  DockerfileSource,
  ForwardSpec,
  ImageSpec,
  NamedContext,
  Project,
  SecretSource,
} from "../engine/project.js";
import { hashJson } from "../lib/canonical-json.js";
import { forwardId, forwardTarget } from "./check-forwards.js";
import type { LoadedConfig } from "./load.js";
import type { Config, ForwardConfig } from "./schema.js";
import { toPull, toSync } from "./to-sync.js";

/** The project that the loop works on: every path absolute, nothing looked up on disk (checkPaths does that). */
export function toProject({ config, file }: Pick<LoadedConfig, "config" | "file">): Project {
  const root = dirname(file);
  return {
    name: config.name,
    root,
    cluster: definedOnly<ClusterSpec>({
      ...config.cluster,
      hostPaths: config.cluster.hostPaths?.map((path) => resolve(root, path)),
    }),
    images: Object.entries(config.images).map(([name, image]) => toImage(name, image, root)),
    deploys: withDistinctIds(config.deploy.map((entry) => toDeploy(entry, root))),
    forwards: config.forwards.map(toForward),
    order: mapValues(config.order, (needs) =>
      mapValues(needs, (need) => (typeof need === "string" ? need : need.until)),
    ),
    restarts: toRestarts(config.order),
    maxBuilds: config.limits.builds,
    keepImages: config.keepImages,
  };
}

/** Which others each workload is started anew with. */
function toRestarts(order: Config["order"]): Project["restarts"] {
  const others = mapValues(order, (needs) =>
    Object.entries(needs).flatMap(([name, need]) => (typeof need === "object" && need.restart ? [name] : [])),
  );
  return Object.fromEntries(Object.entries(others).filter(([, names]) => names.length > 0));
}

/** A chart or values file that is fetched from elsewhere: `oci://…`, `https://…`. */
export function isAddress(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path);
}

/** What docker takes for a context elsewhere, git's own short forms too. */
function isContextAddress(place: string): boolean {
  return isAddress(place) || /^(git@[^:]+:|github\.com\/)/.test(place);
}

function toImage(name: string, image: Config["images"][string], root: string): ImageSpec {
  const { dockerfile: file = "Dockerfile", dockerfileInline: text, sync, rebuild, pull, ...rest } = image;
  const context = resolve(root, image.context);
  const dockerfile: DockerfileSource =
    text === undefined ? { kind: "file", path: resolve(context, file) } : { kind: "inline", text };
  const built = withHash<Omit<ImageSpec, "specHash" | "sync" | "pull">>(
    definedOnly({
      ...rest,
      name,
      context,
      dockerfile,
      secrets: mapValues(image.secrets, ({ file, env = "" }): SecretSource => {
        return file === undefined ? { kind: "env", name: env } : { kind: "file", path: resolve(root, file) };
      }),
      ssh: Object.fromEntries(image.ssh.map((entry) => toAgent(entry, root))),
      contexts: mapValues(image.contexts, (place): NamedContext => {
        return isContextAddress(place)
          ? { kind: "address", address: place }
          : { kind: "directory", path: resolve(root, place) };
      }),
    }),
  );
  const rules = toSync({ sync, rebuild }, { context, dockerfile });
  return { ...built, ...(rules === undefined ? {} : { sync: rules }), pull: toPull(pull, root) };
}

/** `default` stands for the agent of the environment, `id=path` for the one at that socket. */
function toAgent(entry: string, root: string): readonly [id: string, socket: string | null] {
  const [id = "", ...path] = entry.split("=");
  return [id, path.length === 0 ? null : resolve(root, path.join("="))];
}

function mapValues<T, U>(values: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
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
