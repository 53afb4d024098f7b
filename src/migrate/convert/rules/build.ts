import { basename, isAbsolute, posix, relative, sep } from "node:path";
import type { ServiceBuild } from "../../compose/model.js";
import { untagged } from "../images.js";
import type { ImagePlan, Part, ServiceView, SyncRulePlan } from "../plan.js";
import { noted, unlessEmpty, type TreeMap } from "../tree.js";
import { bakedBinds, below, coveredBelow, localContext } from "./binds.js";
import { developRules } from "./develop.js";
import { argExpression } from "./plain-secrets.js";

/** `image`, `build`, `pull_policy`, `platform`, `develop`: what runs, and what devloop builds. */
export function buildRule(view: ServiceView): Part {
  const { service } = view;
  const image = view.names.images.get(view.key) ?? view.key;
  const context = localContext(service);
  const baked = bakedBinds(service, view.project, view.sources);
  const builds = context !== undefined || baked.length > 0;
  sayImage(view, image, builds);
  const watched = developRules(view, context);
  const plans =
    baked.length > 0
      ? [bakedImage(view, image)]
      : context === undefined
        ? []
        : [builtImage(view, image, context, watched)];
  if (service.build && context === undefined) {
    view.sayAll(
      "decision",
      ["build"],
      "its context is not a directory of this machine: clone it and name the directory, or push the image and drop build",
    );
  }
  return {
    container: { image, imagePullPolicy: pullPolicy(view, image, builds) },
    pod: { nodeSelector: platformOf(view) },
    images: plans,
  };
}

function sayImage(view: ServiceView, image: string, builds: boolean): void {
  const given = view.service.image;
  if (given === undefined) return;
  if (!builds) view.say("converted", ["image"], "image of the container, which the cluster's nodes pull");
  else if (given === image) view.say("converted", ["image"], "image of the container");
  else if (untagged(given) === image)
    view.say("converted", ["image"], `image ${image}, built by devloop, which gives it the tag`);
  else view.say("approximated", ["image"], `image ${image}, which devloop builds from it or beside it`);
}

function pullPolicy(view: ServiceView, image: string, builds: boolean): TreeMap[string] {
  const policy = view.service.pull_policy;
  if (policy === "always") {
    view.say("converted", ["pull_policy"], "imagePullPolicy Always");
    return "Always";
  }
  if (policy === "never") {
    view.say("converted", ["pull_policy"], "imagePullPolicy Never");
    return "Never";
  }
  if (policy !== undefined) {
    const exact = policy === "missing" || policy === "if_not_present" || policy === "build";
    view.say(
      exact ? "converted" : "approximated",
      ["pull_policy"],
      exact
        ? "imagePullPolicy IfNotPresent"
        : `IfNotPresent: a node does not pull again after some time (${policy})`,
    );
  }
  const latest = !builds && (image.endsWith(":latest") || untagged(image) === image);
  return latest
    ? noted("As Docker: the default for :latest would be to pull at every start.", "IfNotPresent")
    : "IfNotPresent";
}

function platformOf(view: ServiceView): TreeMap | undefined {
  const { platform } = view.service;
  if (platform === undefined) return undefined;
  const [os = "linux", arch] = platform.split("/");
  view.say("converted", ["platform"], "nodeSelector, and the platform of the build");
  const architectures: Readonly<Record<string, string>> = {
    aarch64: "arm64",
    x86_64: "amd64",
    "x86-64": "amd64",
  };
  return {
    "kubernetes.io/os": os,
    "kubernetes.io/arch": arch === undefined ? undefined : (architectures[arch] ?? arch),
  };
}

function builtImage(
  view: ServiceView,
  name: string,
  context: string,
  watched: ReturnType<typeof developRules>,
): ImagePlan {
  const build = view.service.build ?? {};
  sayBuild(view, build);
  const dockerfile = dockerfileOf(build, context);
  const spec: TreeMap = {
    context: fromOut(view, context),
    dockerfile: build.dockerfile_inline === undefined && dockerfile !== "Dockerfile" ? dockerfile : undefined,
    dockerfileInline: build.dockerfile_inline,
    target: build.target,
    args: argsOf(build),
    labels: unlessEmpty(build.labels ?? {}),
    network: build.network,
    extraHosts: unlessEmpty(
      Object.entries(build.extra_hosts ?? {}).flatMap(([host, ips]) => ips.map((ip) => `${host}:${ip}`)),
    ),
    secrets: secretsOf(view, build),
    ssh: unlessEmpty(
      Object.entries(build.ssh ?? {}).map(([id, path]) =>
        path === null || path === "" ? id : `${id}=${path}`,
      ),
    ),
    contexts: contextsOf(view, build),
    platform: view.service.platform ?? (build.platforms?.length === 1 ? build.platforms[0] : undefined),
    // Or each run of migrate would be a change of the image.
    ignore: unlessEmpty(ownFiles(view, context)),
    cacheFrom: unlessEmpty((build.cache_from ?? []).flatMap((entry) => cacheImage(entry) ?? [])),
    noCache: build.no_cache || undefined,
    pullBases: build.pull || undefined,
  };
  const environmentArgs = Object.fromEntries(
    Object.entries(build.args ?? {}).flatMap(([arg, value]) => {
      const expression = value === null ? `\${${arg}:-}` : argExpression(view, arg);
      return expression === undefined ? [] : [[arg, expression]];
    }),
  );
  return { name, spec, environmentArgs, sync: watched.sync, rebuild: watched.rebuild };
}

/** An image of devloop's own, from that of the service and the directories that were mounted over it. */
function bakedImage(view: ServiceView, name: string): ImagePlan {
  const binds = bakedBinds(view.service, view.project, view.sources);
  const only = binds.length === 1 ? binds[0]?.source : undefined;
  const context = only ?? view.project.directory;
  const rules = binds.flatMap(({ source = "", target }): SyncRulePlan[] => {
    const src = below(context, source);
    if (src === undefined || target === undefined) return [];
    const prefix = src === "." ? "" : `${src}/`;
    const ignore = [
      ...coveredBelow(target, view.service).map((path) => `${prefix}${path}`),
      ...privateFiles.map((path) => `${prefix}${path}`),
      ...ownFiles(view, context).filter((path) => path.startsWith(prefix)),
    ];
    return [{ src, dest: target, ignore }];
  });
  const lines = [
    `FROM ${view.service.image ?? ""}`,
    ...rules.map(({ src, dest }) => `COPY ${JSON.stringify([src, `${dest}/`])}`),
  ];
  const ignore = [...new Set(rules.flatMap((rule) => rule.ignore ?? []))];
  return {
    name,
    spec: {
      context: fromOut(view, context),
      dockerfileInline: noted(
        `${view.service.image ?? ""} with the directories that compose mounted over it: what runs is in the image.`,
        `${lines.join("\n")}\n`,
      ),
      ignore: unlessEmpty(ignore),
    },
    environmentArgs: {},
    sync: rules,
    rebuild: [],
  };
}

/** What a project's directory has besides sources: an image that held it would carry secrets along. */
const privateFiles = ["**/.git", "**/.env*"];

/** What a migration writes, as far as the context holds it: manifests and their secrets belong into no image. */
function ownFiles({ options }: ServiceView, context: string): readonly string[] {
  return ["k8s", "devloop.yaml", "MIGRATION.md"].flatMap(
    (name) => below(context, posix.join(options.out, name)) ?? [],
  );
}

function sayBuild(view: ServiceView, build: ServiceBuild): void {
  const converted = {
    context: "context",
    dockerfile: "dockerfile",
    dockerfile_inline: "dockerfileInline",
    target: "target",
    network: "network",
    labels: "labels",
    extra_hosts: "extraHosts",
    ssh: "ssh",
    no_cache: "noCache",
    pull: "pullBases",
  } as const;
  for (const [key, to] of Object.entries(converted)) {
    if (build[key as keyof typeof converted] !== undefined)
      view.sayAll("converted", ["build", key], `${to} of the image in devloop.yaml`);
  }
  const dropped = {
    cache_to: "devloop leaves the cache to the engine's BuildKit",
    tags: "devloop names what it builds by content",
    shm_size: "the size of /dev/shm of RUN steps is the builder's",
    ulimits: "limits of RUN steps are the builder's",
    isolation: "only Windows containers have it",
  } as const;
  for (const [key, text] of Object.entries(dropped)) {
    if (build[key as keyof typeof dropped] !== undefined) view.sayAll("dropped", ["build", key], text);
  }
  for (const key of ["privileged", "entitlements"] as const) {
    if (build[key] !== undefined)
      view.sayAll(
        "decision",
        ["build", key],
        "devloop grants no entitlements: build such an image with buildx and name its reference",
      );
  }
  for (const key of ["provenance", "sbom"] as const) {
    if (build[key] !== undefined)
      view.say("approximated", ["build", key], `not in the loop: devloop run --attest ${key}`);
  }
  build.cache_from?.forEach((entry, index) => {
    const image = cacheImage(entry);
    view.say(
      image === undefined ? "dropped" : "converted",
      ["build", "cache_from", index],
      image === undefined ? "only images serve as a cache" : "cacheFrom of the image",
    );
  });
  if (build.platforms) {
    const one = build.platforms.length === 1 || view.service.platform !== undefined;
    view.say(
      one ? "converted" : "approximated",
      ["build", "platforms"],
      one ? "platform of the image" : "devloop builds for the cluster's platform",
    );
  }
  for (const [name, value] of Object.entries(build.args ?? {})) {
    view.say(
      "converted",
      ["build", "args", name],
      value === null ? "args of the image: the environment's value" : "args of the image",
    );
  }
}

/** Relative to the context, as devloop.yaml has it. */
function dockerfileOf(build: ServiceBuild, context: string): string {
  const file = build.dockerfile ?? "Dockerfile";
  return isAbsolute(file) ? relative(context, file).split(sep).join("/") : file;
}

function argsOf(build: ServiceBuild): TreeMap | undefined {
  const given = Object.entries(build.args ?? {}).filter(([, value]) => value !== null);
  return unlessEmpty(Object.fromEntries(given));
}

function cacheImage(entry: string): string | undefined {
  if (!entry.includes("=")) return entry;
  const fields = new Map(
    entry.split(",").map((pair) => [pair.replace(/=.*/, ""), pair.replace(/^[^=]*=/, "")]),
  );
  return fields.get("type") === "registry" ? fields.get("ref") : undefined;
}

function secretsOf(view: ServiceView, build: ServiceBuild): TreeMap | undefined {
  const entries = (build.secrets ?? []).flatMap((mount, index): readonly [string, TreeMap][] => {
    const path = ["build", "secrets", index];
    const definition = view.project.secrets[mount.source];
    const id = basename(mount.target ?? mount.source);
    if (definition?.environment !== undefined) {
      view.sayAll("converted", path, "secrets of the image in devloop.yaml");
      return [[id, { env: definition.environment }]];
    }
    if (definition?.file !== undefined) {
      view.sayAll("converted", path, "secrets of the image in devloop.yaml");
      return [[id, { file: fromOut(view, definition.file) }]];
    }
    view.sayAll(
      "decision",
      path,
      "it is made outside the project: write its file or variable into secrets of the image",
    );
    return [];
  });
  return unlessEmpty(Object.fromEntries(entries));
}

function contextsOf(view: ServiceView, build: ServiceBuild): TreeMap | undefined {
  const entries = Object.entries(build.additional_contexts ?? {}).map(([name, value]) => {
    view.say("converted", ["build", "additional_contexts", name], "contexts of the image in devloop.yaml");
    if (value.startsWith("service:")) {
      const image = view.names.images.get(value.slice("service:".length)) ?? value;
      return [name, `docker-image://${image}`] as const;
    }
    return [name, isAbsolute(value) ? fromOut(view, value) : value] as const;
  });
  return unlessEmpty(Object.fromEntries(entries));
}

/** A path as devloop.yaml has it. */
export function fromOut({ options }: Pick<ServiceView, "options">, path: string): string {
  return posix.normalize(relative(options.out, path).split(sep).join("/") || ".");
}
