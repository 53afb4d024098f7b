import { posix } from "node:path";
import { parseAllDocuments } from "yaml";
import type { DeploySource, Forward, FoundSkaffold, SkaffoldArtifact } from "./model.js";

/**
 * What a skaffold.yaml says that devloop.yaml can say too: artifacts that are built from Dockerfiles, kustomizations, charts and
 * manifests, forwards of Services. What else it has is named in `notTaken`. Reads the fields of all versions from v2 to v4 in
 * one way; undefined for a file that is none.
 */
export function readSkaffold(path: string, text: string): FoundSkaffold | undefined {
  const documents = parseAllDocuments(text, { logLevel: "silent" });
  const configs = (Array.isArray(documents) ? documents : [])
    .map((document) => document.toJS() as unknown)
    .filter(isFields)
    .filter(({ apiVersion }) => typeof apiVersion === "string" && apiVersion.startsWith("skaffold/"));
  if (configs.length === 0) return undefined;
  const root = posix.dirname(path);
  const parts = configs.map((config) => readConfig(config, root));
  return {
    path,
    artifacts: parts.flatMap(({ artifacts }) => artifacts),
    deploys: parts.flatMap(({ deploys }) => deploys),
    forwards: parts.flatMap(({ forwards }) => forwards),
    notTaken: [...new Set(parts.flatMap(({ notTaken }) => notTaken))],
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Part = Omit<FoundSkaffold, "path">;

/** Builders other than Dockerfiles, by their keys in an artifact. */
const otherBuilders = ["jib", "ko", "buildpacks", "bazel", "custom", "kaniko"];
/** Parts of the file that have no counterpart, or another one, and what they are. */
const otherParts: Readonly<Record<string, string>> = {
  profiles: "profiles (devloop.yaml has profiles of its own)",
  requires: "requires: other configurations",
  test: "test",
  verify: "verify",
  customActions: "customActions",
  resourceSelector: "resourceSelector",
};

function readConfig(config: Fields, root: string): Part {
  const build = fields(config["build"]);
  const notTaken = Object.entries(otherParts).flatMap(([key, what]) => (key in config ? [what] : []));
  for (const key of ["googleCloudBuild", "cluster"])
    if (key in build) notTaken.push(`build.${key}: images are built by the local engine`);
  if ("tagPolicy" in build) notTaken.push("build.tagPolicy: tags follow the content");
  const artifacts = records(build["artifacts"]).flatMap((entry) => artifactOf(entry, root, notTaken));
  const deploys = [config["manifests"], config["deploy"]].flatMap((part) =>
    deploysOf(fields(part), root, notTaken),
  );
  return { artifacts, deploys, forwards: forwardsOf(config["portForward"], notTaken), notTaken };
}

function artifactOf(entry: Fields, root: string, notTaken: string[]): readonly SkaffoldArtifact[] {
  const { image } = entry;
  if (typeof image !== "string") return [];
  const other = otherBuilders.find((key) => key in entry);
  if (other !== undefined) {
    notTaken.push(`${image}: built by ${other}, and devloop builds from Dockerfiles`);
    return [];
  }
  const docker = fields(entry["docker"]);
  const context = posix.join(root, text(entry["context"]) ?? ".").replace(/\/$/, "");
  if ("sync" in entry) notTaken.push(`${image}: sync (sync: auto takes rules from the Dockerfile)`);
  if ("hooks" in entry) notTaken.push(`${image}: hooks`);
  if ("requires" in entry)
    notTaken.push(`${image}: requires (an image of the project in FROM is known by its name)`);
  for (const key of Object.keys(docker))
    if (!["dockerfile", "target", "buildArgs"].includes(key)) notTaken.push(`${image}: docker.${key}`);
  const args: [string, string][] = [];
  for (const [name, value] of Object.entries(fields(docker["buildArgs"]))) {
    if (typeof value === "string" && !value.includes("{{")) args.push([name, value]);
    else notTaken.push(`${image}: the template of build argument ${name}`);
  }
  const target = text(docker["target"]);
  return [
    {
      image,
      context,
      dockerfile: posix.join(context, text(docker["dockerfile"]) ?? "Dockerfile"),
      ...(target === undefined ? {} : { target }),
      ...(args.length === 0 ? {} : { args: Object.fromEntries(args) }),
    },
  ];
}

function deploysOf(part: Fields, root: string, notTaken: string[]): readonly DeploySource[] {
  const below = (path: string): string => posix.join(root, path).replace(/\/$/, "");
  const kustomize = fields(part["kustomize"]);
  const raw = [...strings(part["rawYaml"]), ...strings(fields(part["kubectl"])["manifests"])];
  const isLocal = (path: string): boolean => {
    if (!/^[a-z]+:\/\//.test(path)) return true;
    notTaken.push(`${path}: manifests come from files`);
    return false;
  };
  const patterns = raw.filter(isLocal).map(below);
  const releases = records(fields(part["helm"])["releases"]);
  for (const key of ["hooks", "kpt", "cloudrun", "statusCheck", "transform", "validate"])
    if (key in part) notTaken.push(key);
  return [
    ...("kustomize" in part && strings(kustomize["paths"]).length === 0
      ? [{ kind: "kustomize", path: below(".") } as const]
      : []),
    ...strings(kustomize["paths"])
      .filter(isLocal)
      .map((path) => ({ kind: "kustomize", path: below(path) }) as const),
    ...(patterns.length === 0 ? [] : [{ kind: "manifests", patterns } as const]),
    ...releases.flatMap((release) => releaseOf(release, below, notTaken)),
  ];
}

function releaseOf(
  release: Fields,
  below: (path: string) => string,
  notTaken: string[],
): readonly DeploySource[] {
  const name = text(release["name"]) ?? "release";
  const chart = text(release["chartPath"]);
  if (chart === undefined) {
    notTaken.push(`release ${name}: its chart is no directory here`);
    return [];
  }
  for (const key of Object.keys(release))
    if (!["name", "chartPath", "valuesFiles"].includes(key)) notTaken.push(`release ${name}: ${key}`);
  return [
    { kind: "helm", chart: below(chart), release: name, values: strings(release["valuesFiles"]).map(below) },
  ];
}

function forwardsOf(value: unknown, notTaken: string[]): readonly Forward[] {
  return records(value).flatMap(({ resourceType, resourceName, port, localPort, namespace }) => {
    const named = typeof resourceName === "string" && typeof port === "number";
    if (!named || !/^services?$/i.test(String(resourceType))) {
      notTaken.push(`the forward of ${String(resourceType)} ${String(resourceName)}`);
      return [];
    }
    const local = typeof localPort === "number" ? localPort : port;
    return [
      { service: resourceName, local, remote: port, ...(typeof namespace === "string" ? { namespace } : {}) },
    ];
  });
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function records(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
