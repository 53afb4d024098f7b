import { posix, relative, sep } from "node:path";
import type { ComposeProject, ComposeService, ServiceVolume } from "../../compose/model.js";
import { largestObject, mostFiles, type SourceFact, type Sources } from "../sources.js";

// What a bind mount was for, told from what lies there: it decides what takes its place in a cluster, which has no
// such directory.

export type BindTreatment =
  /** Sources under the build context: the image holds them, edits are synced. */
  | { readonly kind: "sync"; readonly src: string; readonly directory: boolean }
  /** A directory of a service without a build: an image of its own brings it, edits are synced. */
  | { readonly kind: "bake" }
  /** A file, or a small directory that is only read: a ConfigMap or Secret. */
  | { readonly kind: "files"; readonly files: readonly string[]; readonly directory: boolean }
  /** Data that the container writes: a claim. */
  | { readonly kind: "claim"; readonly why: string }
  /** Something of this machine. */
  | { readonly kind: "host"; readonly why: string }
  | { readonly kind: "none"; readonly outcome: "dropped" | "decision"; readonly why: string };

export function treatBind(
  volume: ServiceVolume,
  service: ComposeService,
  project: ComposeProject,
  sources: Sources,
): BindTreatment {
  const source = volume.source ?? "";
  const target = volume.target ?? "";
  if (/^\/etc\/(localtime|timezone)$/.test(target)) {
    return {
      kind: "none",
      outcome: "dropped",
      why: "a node's time zone is no project's matter: set TZ in environment",
    };
  }
  const fact = sources.fact(source);
  const context = localContext(service);
  const underContext = context === undefined ? undefined : below(context, source);
  if (fact.kind === "special") return { kind: "host", why: "a socket or device of this machine" };
  if (underContext === undefined && below(project.directory, source) === undefined) {
    return { kind: "host", why: "it lies outside the project" };
  }
  if (fact.kind === "missing" && underContext === ".") return { kind: "sync", src: ".", directory: true };
  if (fact.kind === "missing")
    return { kind: "claim", why: "there is nothing there: Docker makes an empty directory" };
  if (fact.kind === "directory") return treatDirectory(volume, fact, underContext);
  if (underContext !== undefined && !volume.read_only)
    return { kind: "sync", src: underContext, directory: false };
  if (fact.kind === "file") return { kind: "files", files: [source], directory: false };
  if (underContext !== undefined) return { kind: "sync", src: underContext, directory: false };
  return {
    kind: "none",
    outcome: "decision",
    why: `a file of ${Math.ceil(fact.bytes / 1024)} KiB is too large for a ConfigMap: COPY it into an image`,
  };
}

function treatDirectory(
  volume: ServiceVolume,
  fact: SourceFact & { readonly kind: "directory" },
  underContext: string | undefined,
): BindTreatment {
  const source = volume.source ?? "";
  if (!volume.read_only && holdsData(source, volume.target ?? "", fact)) {
    return {
      kind: "claim",
      why: "it looks like data that the container writes; what is in it here is not copied",
    };
  }
  if (underContext !== undefined) return { kind: "sync", src: underContext, directory: true };
  if (
    volume.read_only &&
    fact.complete &&
    fact.files.length > 0 &&
    fact.files.length <= mostFiles &&
    fact.bytes <= largestObject
  ) {
    return { kind: "files", files: fact.files.map((file) => posix.join(source, file)), directory: true };
  }
  return { kind: "bake" };
}

/** Empty, or called like a place for data, and mounted where programs keep theirs. */
function holdsData(
  source: string,
  target: string,
  { files }: { readonly files: readonly string[] },
): boolean {
  if (files.length === 0) return true;
  return (
    /(^|[-_.])(data|db|database|storage|volumes?|uploads|backups?|logs?|cache|state)($|[-_.])/i.test(
      posix.basename(source),
    ) &&
    /^\/(var\/(lib|log|cache|backups?|opt)|data|srv|backups?|logs?|bitnami)(\/|$)|\/(uploads|storage|data|logs?)$/.test(
      target,
    )
  );
}

/** The build context when it is a directory of this machine. */
export function localContext(service: ComposeService): string | undefined {
  const context = service.build?.context;
  return context?.startsWith("/") ? context : undefined;
}

/** The path relative to a directory with forward slashes, `.` for itself; undefined for one outside. */
export function below(directory: string, path: string): string | undefined {
  const found = relative(directory, path).split(sep).join("/");
  if (found === "") return ".";
  return found === ".." || found.startsWith("../") ? undefined : found;
}

/** Paths inside `target` that other mounts of the service cover, relative to it: node_modules in /app. */
export function coveredBelow(target: string, service: ComposeService): readonly string[] {
  return (service.volumes ?? [])
    .filter((other) => other.type !== "bind" || other.target !== target)
    .flatMap((other) => {
      const found = other.target === undefined ? undefined : below(target, other.target);
      return found === undefined || found === "." ? [] : [found];
    });
}

/** The binds of a service that an image of its own brings, because nothing else builds one. */
export function bakedBinds(
  service: ComposeService,
  project: ComposeProject,
  sources: Sources,
): readonly ServiceVolume[] {
  if (service.build || service.image === undefined) return [];
  return (service.volumes ?? []).filter(
    (volume) => volume.type === "bind" && treatBind(volume, service, project, sources).kind === "bake",
  );
}

/** The Dockerfile of a service, when it is a file of this machine. */
export function dockerfilePath(service: ComposeService): string | undefined {
  const context = localContext(service);
  if (context === undefined || service.build?.dockerfile_inline !== undefined) return undefined;
  return posix.resolve(context, service.build?.dockerfile ?? "Dockerfile");
}

/** The text of the Dockerfile, when there is one to look into. */
export function dockerfileText(service: ComposeService, sources: Sources): string | undefined {
  const path = dockerfilePath(service);
  const fact = path === undefined ? undefined : sources.fact(path);
  const content = fact?.kind === "file" ? Buffer.from(fact.content).toString("utf8") : undefined;
  return service.build?.dockerfile_inline ?? content;
}

/** Whether any line of the Dockerfile copies from the context; true where there is none to look into. */
export function copiesFiles(service: ComposeService, sources: Sources): boolean {
  const text = dockerfileText(service, sources);
  return text === undefined || /^[ \t]*(?:ONBUILD[ \t]+)?(?:COPY|ADD)[ \t]+(?![^\n]*--from=)/im.test(text);
}
