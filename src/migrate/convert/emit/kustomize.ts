import type { ConvertedService, Conversion } from "../convert-project.js";
import type { OutputFile } from "../output.js";
import type { Generator } from "../plan.js";
import { dnsName } from "../names.js";
import { mapAt, noted, textAt, unlessEmpty, type Tree, type TreeMap, objectId } from "../tree.js";
import { deletePatch, difference, patchFor } from "./diff.js";
import { emitGenerators, sameGenerator, uniqueGenerators } from "./generators.js";
import { yamlFile } from "./yaml.js";

/** A set of objects that one kustomization brings: the base, or the component of some profiles. */
export interface Group {
  /** Sorted; none: the base. */
  readonly profiles: readonly string[];
  /** Folder below k8s, without a slash at its end. */
  readonly folder: string;
  readonly services: readonly ConvertedService[];
  /** Claims, and what several services need. */
  readonly shared: readonly TreeMap[];
  readonly generators: readonly Generator[];
}

/** The base first, then a component of each set of profiles that services have. */
export function groupsOf({ services, claims }: Conversion): readonly Group[] {
  const sets = new Map(services.map(({ profiles }) => [profiles.join("+"), profiles]));
  const names = ["", ...[...sets.keys()].filter((name) => name !== "").sort()];
  const ids = services.flatMap(({ objects }) => [...new Set(objects.map(objectId))]);
  const several = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
  const members = (name: string) => services.filter(({ profiles }) => profiles.join("+") === name);
  const homeOf = (uses: (service: ConvertedService) => boolean): string => {
    const homes = new Set(services.filter(uses).map(({ profiles }) => profiles.join("+")));
    return homes.size === 1 ? ([...homes][0] ?? "") : "";
  };
  const sharedObjects = new Map(
    services.flatMap(({ objects }) =>
      objects.filter((object) => several.has(objectId(object))).map((object) => [objectId(object), object]),
    ),
  );
  const all = services.flatMap(({ generators }) => generators);
  return names.map((name) => ({
    profiles: sets.get(name) ?? [],
    folder: name === "" ? "base" : `components/profile-${name}`,
    services: members(name).map((service) => ({
      ...service,
      objects: service.objects.filter((object) => !several.has(objectId(object))),
    })),
    shared: [
      ...[...claims]
        .filter(([key]) => homeOf((service) => service.claims.includes(key)) === name)
        .map(([, claim]) => claim),
      ...[...sharedObjects]
        .filter(([id]) => homeOf(({ objects }) => objects.some((object) => objectId(object) === id)) === name)
        .map(([, object]) => object),
    ],
    generators: uniqueGenerators(all).filter(
      (generator) =>
        homeOf((service) =>
          service.generators.some((own) => own.name === generator.name && own.kind === generator.kind),
        ) === name,
    ),
  }));
}

export function objectsOf({ services, shared }: Group): readonly TreeMap[] {
  return [...shared, ...services.flatMap(({ objects }) => objects)];
}

const partOf = (project: string): Tree => [
  { pairs: { "app.kubernetes.io/part-of": project }, includeTemplates: true },
];

const header = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" };
const componentHeader = { apiVersion: "kustomize.config.k8s.io/v1alpha1", kind: "Component" };

/** The files of the base or a component. Secrets are not among them: those are each overlay's. */
export function emitGroup(group: Group, project: string): readonly OutputFile[] {
  const root = `k8s/${group.folder}/`;
  const files: OutputFile[] = [];
  for (const service of group.services) files.push(...serviceFiles(root, service));
  if (group.shared.length > 0) files.push(...sharedFiles(root, group.shared));
  const generators = emitGenerators(
    root,
    group.generators.filter(({ kind }) => kind === "ConfigMap"),
  );
  const component = group.profiles.length > 0;
  const kustomization: TreeMap = {
    ...(component ? componentHeader : header),
    labels: component ? undefined : partOf(project),
    resources: unlessEmpty(files.map(({ path }) => path.slice(root.length))),
    ...generators.keys,
  };
  const head = component
    ? `Services of the profile${group.profiles.length > 1 ? "s" : ""} ${group.profiles.join(" and ")}: an overlay takes them in under components.`
    : "What the compose file says, for every environment.";
  return [
    { path: `${root}kustomization.yaml`, content: yamlFile(kustomization, head) },
    ...files,
    ...generators.files,
  ];
}

/** A component of NetworkPolicies, which an overlay takes in or not; nothing where there are none. */
export function emitPolicies(folder: string, policies: readonly TreeMap[]): readonly OutputFile[] {
  if (policies.length === 0) return [];
  const root = `k8s/${folder}/`;
  const files = policies.map((policy) => ({ name: `${objectName(policy)}.yaml`, content: yamlFile(policy) }));
  const kustomization = { ...componentHeader, resources: files.map(({ name }) => name) };
  const head =
    "Parts services as the compose file's networks do, where the cluster's network honours NetworkPolicies.\nAn overlay takes it in under components; devloop migrate --network-policies has all do so.";
  return [
    { path: `${root}kustomization.yaml`, content: yamlFile(kustomization, head) },
    ...files.map(({ name, content }) => ({ path: `${root}${name}`, content })),
  ];
}

function serviceFiles(root: string, { name, objects }: ConvertedService): readonly OutputFile[] {
  return named(objects, name).map(([file, object]) => ({
    path: `${root}${name}/${file}`,
    content: yamlFile(object),
  }));
}

function sharedFiles(root: string, shared: readonly TreeMap[]): readonly OutputFile[] {
  return shared.map((object) => ({
    path: `${root}shared/${(textAt(object, "kind") ?? "").toLowerCase()}-${objectName(object)}.yaml`,
    content: yamlFile(object),
  }));
}

const objectName = (object: TreeMap): string => textAt(mapAt(object, "metadata"), "name") ?? "";

/** `deployment.yaml`; of a kind's further objects the name stands in the file's name too. */
function named(objects: readonly TreeMap[], service: string): readonly (readonly [string, TreeMap])[] {
  return objects.map((object) => {
    const kind = (textAt(object, "kind") ?? "").toLowerCase();
    return [objectName(object) === service ? `${kind}.yaml` : `${kind}-${objectName(object)}.yaml`, object];
  });
}

/** Groups as they are below, and as they are to be. */
export interface LayerPair {
  readonly below: Group;
  readonly wanted: Group;
  readonly objects: readonly TreeMap[];
}

export interface OverlaySpec {
  readonly project: string;
  readonly folder: string;
  readonly namespace: string;
  readonly head: string;
  /** Kustomizations below, relative to the overlay. */
  readonly resources: readonly string[];
  readonly components: readonly string[];
  readonly ownNamespace: boolean;
  readonly pairs: readonly LayerPair[];
  /** Names of the images that devloop builds. */
  readonly images: readonly string[];
}

/** An overlay: what it adds, patches and takes away, so that what is below becomes what is wanted. */
export function emitOverlay(spec: OverlaySpec): readonly OutputFile[] {
  const root = `k8s/overlays/${spec.folder}/`;
  const layer = emitLayer(root, spec.pairs);
  const namespaceFile = spec.ownNamespace
    ? [
        {
          path: "namespace.yaml",
          content: yamlFile({ apiVersion: "v1", kind: "Namespace", metadata: { name: spec.namespace } }),
        },
      ]
    : [];
  const kustomization: TreeMap = {
    ...header,
    namespace: spec.namespace,
    labels: partOf(spec.project),
    resources: [...namespaceFile.map(({ path }) => path), ...spec.resources, ...layer.added],
    components: unlessEmpty(spec.components),
    images:
      spec.images.length === 0
        ? undefined
        : noted(
            "devloop puts the image that it built in place of these; the tag is for kubectl apply -k alone.",
            spec.images.map((name): Tree => ({ name, newTag: spec.folder.split("-")[0] ?? "dev" })),
          ),
    ...layer.keys,
  };
  return [
    { path: `${root}kustomization.yaml`, content: yamlFile(kustomization, spec.head) },
    ...namespaceFile.map(({ path, content }) => ({ path: `${root}${path}`, content })),
    ...layer.files,
  ];
}

/** A component that makes another component's objects what they are to be; secrets are its own, as an overlay's are. */
export function emitTuning(spec: {
  /** Below k8s. */
  readonly folder: string;
  readonly head: string;
  /** The component that it is made of, relative to this one; none where the base has no such services. */
  readonly component: string | undefined;
  readonly pair: LayerPair;
}): readonly OutputFile[] {
  const root = `k8s/${spec.folder}/`;
  const layer = emitLayer(root, [spec.pair]);
  const kustomization: TreeMap = {
    ...componentHeader,
    resources: unlessEmpty(layer.added),
    components: spec.component === undefined ? undefined : [spec.component],
    ...layer.keys,
  };
  return [{ path: `${root}kustomization.yaml`, content: yamlFile(kustomization, spec.head) }, ...layer.files];
}

interface Layer {
  /** Paths of objects that are new, relative to the kustomization. */
  readonly added: readonly string[];
  /** Patches and generators. */
  readonly keys: TreeMap;
  readonly files: readonly OutputFile[];
}

function emitLayer(root: string, pairs: readonly LayerPair[]): Layer {
  const changes = pairs.flatMap(({ below, objects }) => objectChanges(objectsOf(below), objects));
  const added = changes.flatMap((change) => (change.kind === "added" ? [fileFor("", change.object)] : []));
  const patches = changes.flatMap((change) =>
    change.kind === "added" ? [] : [fileFor("patches/", change.patch)],
  );
  const { generators, behaviours } = layerGenerators(pairs);
  const emitted = emitGenerators(root, generators, behaviours);
  return {
    added: added.map(({ path }) => path),
    keys: { patches: unlessEmpty(patches.map(({ path }): Tree => ({ path }))), ...emitted.keys },
    files: [
      ...[...added, ...patches].map(({ path, content }) => ({ path: `${root}${path}`, content })),
      ...emitted.files,
    ],
  };
}

type Change =
  | { readonly kind: "added"; readonly object: TreeMap }
  | { readonly kind: "changed" | "removed"; readonly patch: TreeMap };

function objectChanges(below: readonly TreeMap[], wanted: readonly TreeMap[]): readonly Change[] {
  const old = new Map(below.map((object) => [objectId(object), object]));
  const next = new Map(wanted.map((object) => [objectId(object), object]));
  return [
    ...[...next].flatMap(([id, object]): Change[] => {
      const known = old.get(id);
      if (known === undefined) return [{ kind: "added", object }];
      const change = difference(known, object);
      return change === undefined ? [] : [{ kind: "changed", patch: patchFor(object, change) }];
    }),
    ...[...old].flatMap(([id, object]): Change[] =>
      next.has(id) ? [] : [{ kind: "removed", patch: deletePatch(object) }],
    ),
  ];
}

function fileFor(folder: string, object: TreeMap): { readonly path: string; readonly content: string } {
  const kind = (textAt(object, "kind") ?? "").toLowerCase();
  const path = `${folder}${objectName(object)}-${kind}.yaml`;
  return { path, content: yamlFile(object) };
}

/** All Secrets, and the ConfigMaps that differ from those below. */
function layerGenerators(pairs: readonly LayerPair[]): {
  readonly generators: readonly Generator[];
  readonly behaviours: ReadonlyMap<string, "replace">;
} {
  const behaviours = new Map<string, "replace">();
  const generators = pairs.flatMap(({ below, wanted }) =>
    wanted.generators.filter((generator) => {
      if (generator.kind === "Secret") return true;
      const known = below.generators.find(
        ({ kind, name }) => kind === "ConfigMap" && name === generator.name,
      );
      if (known !== undefined) behaviours.set(generator.name, "replace");
      return known === undefined || !sameGenerator(known, generator);
    }),
  );
  return { generators, behaviours };
}

export function namespaceOf(project: string, overlay: string): string {
  return dnsName(`${project}-${overlay}`);
}
