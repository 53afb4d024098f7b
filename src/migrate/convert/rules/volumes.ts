import { basename, posix, relative } from "node:path";
import type { ServiceVolume } from "../../compose/model.js";
import { namesIn } from "../hosts.js";
import { configKey, dnsName } from "../names.js";
import { mergeParts, type Part, type ServiceView } from "../plan.js";
import { bindKey, sharedMemoryVolume } from "../resource-names.js";
import { memory } from "../quantities.js";
import { isSecretFile } from "../secrets.js";
import { noted, type TreeMap } from "../tree.js";
import { below, copiesFiles, coveredBelow, localContext, treatBind } from "./binds.js";

/** `volumes`, `tmpfs`, `shm_size`, `devices`. */
export function volumesRule(view: ServiceView): Part {
  return mergeParts([
    ...(view.service.volumes ?? []).map((volume, index) => volumePart(view, volume, index)),
    ...(view.service.tmpfs ?? []).map((text, index) => tmpfsPart(view, text, index)),
    sharedMemory(view),
    devices(view),
  ]);
}

/** One entry of `volumes`; `index` is its place there, which names what has no name. */
export function volumePart(view: ServiceView, volume: ServiceVolume, index: number): Part {
  sayCommon(view, volume, index);
  const target = volume.target ?? "";
  const name = `volume-${index}`;
  const tell = (outcome: "converted" | "approximated" | "decision" | "dropped", text: string) => {
    view.sayAll(outcome, ["volumes", index], text);
  };
  switch (volume.type) {
    case "bind":
      return bindPart(view, volume, index, tell);
    case "volume":
      return volume.source === undefined
        ? anonymousPart(view, volume, name, tell)
        : namedPart(view, volume, volume.source, tell);
    case "tmpfs": {
      const size = volume.tmpfs?.size;
      if (volume.tmpfs?.mode !== undefined) {
        view.say(
          "dropped",
          ["volumes", index, "tmpfs", "mode"],
          "an emptyDir is open to all (0777); fsGroup is what there is",
        );
      }
      if (size !== undefined)
        view.say("converted", ["volumes", index, "tmpfs", "size"], "sizeLimit of the emptyDir");
      tell("converted", "an emptyDir in memory");
      return mounted({ name, emptyDir: inMemory(size) }, mount(name, volume));
    }
    case "image":
      return imagePart(view, volume, name, index, tell);
    case "cluster":
      tell("decision", "a volume of Swarm: make a PersistentVolumeClaim of its storage class");
      return {};
    case "npipe":
      tell("dropped", `a named pipe of Windows (${target})`);
      return {};
  }
}

type Tell = (outcome: "converted" | "approximated" | "decision" | "dropped", text: string) => void;

function bindPart(view: ServiceView, volume: ServiceVolume, index: number, tell: Tell): Part {
  const { service, project, sources, options } = view;
  const treatment = treatBind(volume, service, project, sources);
  const target = volume.target ?? "";
  const source = volume.source ?? "";
  switch (treatment.kind) {
    case "sync": {
      const above = volumeAbove(view, target);
      if (above !== undefined) {
        tell(
          "decision",
          `a sync rule, but ${above} is a volume, which keeps what it has when the image changes: mount it elsewhere`,
        );
      } else if (copiesFiles(service, sources)) {
        tell(
          "converted",
          "a sync rule in devloop.yaml; the image has the same files, which its Dockerfile copies; where its user may not write them (COPY --chown), edits build it",
        );
      } else {
        const missing = "a sync rule in devloop.yaml, but its Dockerfile copies nothing of the context";
        tell("decision", `${missing}: add COPY for ${target}, or the container starts without the files`);
      }
      return {};
    }
    case "bake":
      tell(
        "approximated",
        "an image of its own in devloop.yaml, which copies the directory, and a sync rule: what runs can be promoted, and edits are live; .git, .env files and what migrate writes are left out",
      );
      return {};
    case "files": {
      const fact = sources.fact(source);
      if (
        fact.kind === "file" &&
        fact.real !== undefined &&
        below(project.directory, fact.real) === undefined
      ) {
        tell("decision", `a link to outside the project: not copied; put the file itself at ${source}`);
        return {};
      }
      sayLinks(view, source, tell);
      return filesPart(view, volume, index, treatment, tell);
    }
    case "claim": {
      const name = view.names.binds.get(bindKey(view.key, index)) ?? view.name;
      tell("approximated", `PersistentVolumeClaim ${name}: ${treatment.why}`);
      return {
        ...mounted({ name, persistentVolumeClaim: { claimName: name } }, mount(name, volume)),
        objects: [claimObject(name, "Was a directory of this machine: data that the container writes.")],
      };
    }
    case "host": {
      if (!options.hostMounts) {
        tell(
          "decision",
          `${treatment.why}: a cluster's node does not have it; --host-mounts mounts that path of the node`,
        );
        return {};
      }
      const name = `host-${index}`;
      const shown = below(view.project.directory, source) ?? source;
      tell(
        "approximated",
        `the same path of the node: k3d cluster create --volume ${shown}:${source}, or extraMounts of kind's node`,
      );
      return mounted({ name, hostPath: { path: source } }, mount(name, volume));
    }
    case "none":
      tell(treatment.outcome, target === "" ? treatment.why : `${target}: ${treatment.why}`);
      return {};
  }
}

/** The path of a named volume that holds the path of another mount. */
function volumeAbove({ service }: ServiceView, target: string): string | undefined {
  return (service.volumes ?? []).find(
    (other) =>
      other.type === "volume" &&
      other.source !== undefined &&
      other.target !== undefined &&
      below(other.target, target) !== undefined,
  )?.target;
}

/** What a link brings from elsewhere may be anything of this machine, and the copies are committed. */
function sayLinks(view: ServiceView, source: string, tell: Tell): void {
  const fact = view.sources.fact(source);
  const links = fact.kind === "directory" ? (fact.links ?? []) : [];
  if (links.length > 0)
    tell("decision", `not copied, as they are links to outside the directory: ${links.join(", ")}`);
}

/** Files go into a ConfigMap or Secret; a single one is mounted by itself, so that its neighbours stay. */
function filesPart(
  view: ServiceView,
  volume: ServiceVolume,
  index: number,
  { files, directory }: { readonly files: readonly string[]; readonly directory: boolean },
  tell: Tell,
): Part {
  const source = volume.source ?? "";
  const kind = files.some(isSecretFile) ? "Secret" : "ConfigMap";
  const name = view.names.binds.get(bindKey(view.key, index)) ?? view.name;
  const entries = files.flatMap((file) => {
    const fact = view.sources.fact(file);
    const path = directory ? relative(source, file) : basename(file);
    return fact.kind === "file"
      ? [{ key: configKey(path.replaceAll("/", "__")), path, content: fact.content }]
      : [];
  });
  tell(
    "approximated",
    `${kind} ${name}, made of a copy beside the manifests: an edit of the file here takes effect after devloop migrate`,
  );
  for (const [host, to] of view.names.renamedHosts) {
    const holding = entries.filter(
      ({ content }) => namesIn(Buffer.from(content).toString(), [host]).length > 0,
    );
    const paths = holding.map(({ path }) => path).join(", ");
    if (paths !== "")
      tell("decision", `${paths}: is ${host} in it the host? that is called ${to} in the cluster`);
  }
  const items = entries.some(({ key, path }) => key !== path)
    ? entries.map(({ key, path }) => ({ key, path }))
    : undefined;
  const sourceField =
    kind === "Secret" ? { secret: { secretName: name, items } } : { configMap: { name, items } };
  const only = directory ? undefined : entries[0]?.path;
  return {
    generators: [{ kind, name, files: new Map(entries.map(({ key, content }) => [key, content])) }],
    volumes: [{ name, ...sourceField }],
    mounts: [{ name, mountPath: volume.target ?? "", subPath: only, readOnly: true }],
  };
}

function anonymousPart(view: ServiceView, volume: ServiceVolume, name: string, tell: Tell): Part {
  const target = volume.target ?? "";
  const shadowed = (view.service.volumes ?? []).some(
    (other) =>
      other.type === "bind" &&
      other.target !== undefined &&
      below(other.target, target) !== undefined &&
      treatBind(other, view.service, view.project, view.sources).kind === "sync",
  );
  if (shadowed) {
    tell("converted", "left out of the sync rule above it: the image keeps what it has there");
    return {};
  }
  tell("approximated", "an emptyDir: it lives as long as the pod, and holds what the image has there");
  return {
    ...mounted({ name, emptyDir: {} }, mount(name, volume)),
    copyUps: copies(volume) ? [{ volume: name, path: target }] : [],
  };
}

const copyUpNeeds =
  "an init container copies into it what the image has there, which needs a shell in the image: set nocopy if it has none";

function namedPart(view: ServiceView, volume: ServiceVolume, key: string, tell: Tell): Part {
  const definition = view.project.volumes[key];
  const claim = view.names.volumes.get(key) ?? dnsName(key);
  const nfs = nfsOf(definition?.driver_opts);
  const name = claim;
  const subPath = volume.volume?.subpath;
  if (nfs) {
    tell("converted", `an NFS mount of ${nfs.server}`);
    return mounted({ name, nfs }, { ...mount(name, volume), subPath });
  }
  if (inMemoryOptions(definition?.driver_opts)) {
    tell("approximated", "an emptyDir in memory: not shared with other services");
    return mounted({ name, emptyDir: inMemory(undefined) }, { ...mount(name, volume), subPath });
  }
  if (copies(volume)) tell("approximated", `PersistentVolumeClaim ${claim}; ${copyUpNeeds}`);
  else tell("converted", `PersistentVolumeClaim ${claim}`);
  return {
    ...mounted({ name, persistentVolumeClaim: { claimName: claim } }, { ...mount(name, volume), subPath }),
    claims: [key],
    copyUps: copies(volume)
      ? [{ volume: name, path: volume.target ?? "", ...(subPath === undefined ? {} : { subPath }) }]
      : [],
  };
}

/** Docker fills an empty volume with what the image has there, unless told not to. */
function copies(volume: ServiceVolume): boolean {
  return volume.volume?.nocopy !== true && volume.read_only !== true && (volume.target ?? "") !== "";
}

function imagePart(view: ServiceView, volume: ServiceVolume, name: string, index: number, tell: Tell): Part {
  const subPath = volume.image?.subpath;
  if (subPath !== undefined)
    view.say("converted", ["volumes", index, "image", "subpath"], "copied from there");
  tell(
    "approximated",
    "an emptyDir that an init container fills from the image, which needs a shell and cp for it",
  );
  const from = posix.join("/", subPath ?? "");
  const source = volume.source ?? "";
  return {
    ...mounted({ name, emptyDir: {} }, mount(name, volume)),
    initContainers: [
      {
        name: `fill-${name}`,
        image: source,
        imagePullPolicy: "IfNotPresent",
        command: [
          "/bin/sh",
          "-c",
          noted(
            "Kubernetes mounts images only since 1.35; the copy leaves out what is no file of the image.",
            `cd ${from === "/" ? "/" : `'${from}'`} && for each in *; do case $each in proc|sys|dev|devloop-volume) ;; *) cp -a "$each" /devloop-volume/ ;; esac; done`,
          ),
        ],
        volumeMounts: [{ name, mountPath: "/devloop-volume" }],
      },
    ],
  };
}

function tmpfsPart(view: ServiceView, text: string, index: number): Part {
  const [target = "", options = ""] = text.split(":");
  const name = `tmpfs-${index}`;
  const settings = options.split(",").filter((option) => option !== "");
  const size = settings.find((option) => option.startsWith("size="))?.slice("size=".length);
  const others = settings.filter((option) => !option.startsWith("size="));
  const sizeLimit = size === undefined ? undefined : tmpfsSize(size);
  const lost = [...others, ...(size !== undefined && sizeLimit === undefined ? [`size=${size}`] : [])];
  if (lost.length === 0) view.say("converted", ["tmpfs", index], "an emptyDir in memory");
  else view.say("approximated", ["tmpfs", index], `an emptyDir in memory, without ${lost.join(", ")}`);
  return mounted({ name, emptyDir: { medium: "Memory", sizeLimit } }, { name, mountPath: target });
}

/** `64m` as Docker's tmpfs takes it: bytes, or with k, m or g; per cent of the memory have no counterpart. */
function tmpfsSize(text: string): string | undefined {
  const [, amount, unit = ""] = /^(\d+)([kmg]?)b?$/i.exec(text) ?? [];
  const factor = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[unit.toLowerCase()];
  return amount === undefined || factor === undefined ? undefined : memory(Number(amount) * factor);
}

function sharedMemory(view: ServiceView): Part {
  const size = view.service.shm_size;
  if (size === undefined) return {};
  view.say("converted", ["shm_size"], "an emptyDir in memory at /dev/shm");
  return mounted(
    { name: sharedMemoryVolume, emptyDir: inMemory(size) },
    { name: sharedMemoryVolume, mountPath: "/dev/shm" },
  );
}

function devices(view: ServiceView): Part {
  const parts = (view.service.devices ?? []).map((device, index): Part => {
    const { source, target = source, permissions } = device;
    if (!view.options.hostMounts) {
      view.sayAll(
        "decision",
        ["devices", index],
        "a device of this machine: a device plugin brings devices into pods; --host-mounts mounts the node's, for a privileged container",
      );
      return {};
    }
    view.sayAll(
      "approximated",
      ["devices", index],
      "the node's device by hostPath: the container must be privileged to open it",
    );
    if (permissions !== undefined)
      view.say("dropped", ["devices", index, "permissions"], "a mount has none of its own");
    const name = `device-${index}`;
    return mounted({ name, hostPath: { path: source } }, { name, mountPath: target });
  });
  return mergeParts(parts);
}

const inMemory = (size: number | undefined): TreeMap => ({
  medium: "Memory",
  sizeLimit: size === undefined || size <= 0 ? undefined : memory(size),
});

const mounted = (volume: TreeMap, volumeMount: TreeMap): Part => ({
  volumes: [volume],
  mounts: [volumeMount],
});

const mount = (name: string, volume: ServiceVolume): TreeMap => ({
  name,
  mountPath: volume.target ?? "",
  readOnly: volume.read_only || undefined,
});

/** A claim of a volume: any number of pods of one node can have it. */
export function claimObject(name: string, note: string, extra: TreeMap = {}): TreeMap {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, ...extra },
    spec: noted(note, {
      accessModes: ["ReadWriteOnce"],
      resources: {
        requests: { storage: noted("Docker sets no limit; raise this for a cluster that does.", "1Gi") },
      },
    }),
  };
}

/** `type: nfs` in driver_opts, as the local driver takes it. */
export function nfsOf(
  options: Readonly<Record<string, string>> | undefined,
): { readonly server: string; readonly path: string; readonly readOnly: true | undefined } | undefined {
  if (!/^nfs4?$/.test(options?.["type"] ?? "")) return undefined;
  const flags = (options?.["o"] ?? "").split(",");
  const server = flags.find((flag) => flag.startsWith("addr="))?.slice("addr=".length);
  const path = (options?.["device"] ?? "").replace(/^[^/]*:/, "");
  return server === undefined || path === ""
    ? undefined
    : { server, path, readOnly: flags.includes("ro") || undefined };
}

export function inMemoryOptions(options: Readonly<Record<string, string>> | undefined): boolean {
  return options?.["type"] === "tmpfs";
}

function sayCommon(view: ServiceView, volume: ServiceVolume, index: number): void {
  const at = (...keys: readonly string[]) => ["volumes", index, ...keys];
  if (volume.read_only !== undefined) view.say("converted", at("read_only"), "readOnly of the mount");
  if (volume.consistency !== undefined)
    view.say("converted", at("consistency"), "nothing: it does nothing in Docker either");
  if (volume.bind?.create_host_path !== undefined)
    view.say("converted", at("bind", "create_host_path"), "nothing is made on this machine");
  if (volume.bind?.propagation !== undefined)
    view.say("dropped", at("bind", "propagation"), "there is no mount of this machine to pass on");
  if (volume.bind?.recursive !== undefined)
    view.say("dropped", at("bind", "recursive"), "there is no mount of this machine below it");
  if (volume.bind?.selinux !== undefined)
    view.say("converted", at("bind", "selinux"), "volumes of pods are labelled by the cluster");
  if (volume.volume?.nocopy !== undefined)
    view.say(
      "converted",
      at("volume", "nocopy"),
      "whether an init container copies what the image has there",
    );
  if (volume.volume?.subpath !== undefined)
    view.say("converted", at("volume", "subpath"), "subPath of the mount");
  if (volume.volume?.labels)
    view.sayAll(
      "dropped",
      at("volume", "labels"),
      "labels are the claim's: write them under the project's volumes",
    );
}

/** Sync rules that follow from the binds under the build context of the service. */
export function bindSyncs({ service, project, sources }: ServiceView): readonly {
  readonly src: string;
  readonly dest: string;
  readonly ignore: readonly string[];
}[] {
  const context = localContext(service);
  if (context === undefined) return [];
  return (service.volumes ?? []).flatMap((volume) => {
    if (volume.type !== "bind" || volume.target === undefined) return [];
    const treatment = treatBind(volume, service, project, sources);
    if (treatment.kind !== "sync") return [];
    const prefix = treatment.src === "." ? "" : `${treatment.src}/`;
    const ignore = coveredBelow(volume.target, service).map((path) => `${prefix}${path}`);
    return [{ src: treatment.src, dest: volume.target, ignore }];
  });
}
