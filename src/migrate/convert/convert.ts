import { posix } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ComposeProject } from "../compose/model.js";
import { convertProject, type Conversion, type ConvertedService } from "./convert-project.js";
import { forDevelopment } from "./emit/dev.js";
import { devloopYaml } from "./emit/devloop-yaml.js";
import {
  emitGroup,
  emitOverlay,
  emitPolicies,
  emitTuning,
  groupsOf,
  namespaceOf,
  objectsOf,
  type Group,
  type OverlaySpec,
} from "./emit/kustomize.js";
import { migrationReport } from "./emit/report.js";
import { untagged } from "./images.js";
import type { ReportEntry } from "./ledger.js";
import { dnsName, profileName } from "./names.js";
import type { OutputFile } from "./output.js";
import type { ConvertOptions } from "./plan.js";
import { listAt, mapAt, plain, textAt, unnoted } from "./tree.js";
import type { Sources } from "./sources.js";

/** The projects to convert: what every environment has, and what single ones have instead. */
export interface Models {
  readonly base: ComposeProject;
  /** Each with the base's files and its own merged. One called dev takes the place of the base in the dev overlay. */
  readonly overlays: readonly { readonly name: string; readonly project: ComposeProject }[];
}

export interface MigrationOptions extends ConvertOptions {
  readonly sources: Sources;
  /** Profiles whose components every overlay takes in; the others can be switched on in devloop.yaml. */
  readonly profiles: readonly string[];
}

export interface Migration {
  /** Sorted by path. */
  readonly files: readonly OutputFile[];
  /** Every key path of the base, and of each overlay what its own files say. */
  readonly report: readonly (ReportEntry & { readonly overlay?: string })[];
}

/** Converts resolved projects into manifests, devloop.yaml and the report. Pure: equal in, equal out. */
export function convert({ base, overlays }: Models, options: MigrationOptions): Migration {
  const below = convertProject(base, options.sources, { ...options, hostMounts: false });
  const groups = groupsOf(below);
  const name = dnsName(base.name);
  const devProject = overlays.find((overlay) => overlay.name === "dev")?.project ?? base;
  const dev = convertProject(devProject, options.sources, options);
  const others = overlays
    .filter((overlay) => overlay.name !== "dev")
    .map((overlay) => ({
      name: overlay.name,
      conversion: convertProject(overlay.project, options.sources, { ...options, hostMounts: false }),
    }));
  const profiles = options.profiles.map((profile) => (profile === "*" ? profile : profileName(profile)));
  const policiesOf = (overlay: string, { policies }: Conversion): string | undefined => {
    if (policies.length === 0) return undefined;
    const shared = isDeepStrictEqual(policies.map(plain), below.policies.map(plain));
    return shared ? policiesFolder : `${policiesFolder}-${overlay}`;
  };
  const context: Context = {
    name,
    groups,
    profiles,
    policiesOf: options.networkPolicies ? policiesOf : () => undefined,
  };
  const told = [...(devProject === base ? [] : [{ name: "dev", conversion: dev }]), ...others].map(
    (overlay) => ({
      name: overlay.name,
      report: ownEntries(overlay.conversion, base.files.length),
    }),
  );
  // What only the dev overlay mounts of the node is told with the base, whose key it is.
  const baseReport = options.hostMounts && devProject === base ? dev.report : below.report;
  const files = [
    ...groups.flatMap((group) => emitGroup(group, name)),
    ...emitPolicies(policiesFolder, below.policies),
    ...[{ name: "dev", conversion: dev }, ...others].flatMap((overlay) => {
      const folder = policiesOf(overlay.name, overlay.conversion);
      return folder === undefined || folder === policiesFolder
        ? []
        : emitPolicies(folder, overlay.conversion.policies);
    }),
    ...devFiles(dev, context),
    ...others.flatMap((overlay) => emitOverlay(overlaySpec(overlay.name, overlay.conversion, context))),
    { path: "devloop.yaml", content: devloopYaml(devloopPlan(dev, context)) },
    { path: "k8s/.gitignore", content: ignored },
    {
      path: "MIGRATION.md",
      content: migrationReport({
        project: base,
        report: baseReport,
        overlays: told,
        files: [...new Set([base, ...overlays.map(({ project }) => project)].flatMap(({ files }) => files))],
        pulled: pulledImages([below, dev, ...others.map(({ conversion }) => conversion)]),
        out: options.out,
      }),
    },
  ];
  return {
    files: [...files].sort((left, right) => (left.path < right.path ? -1 : 1)),
    report: [
      ...baseReport,
      ...told.flatMap((overlay) => overlay.report.map((entry) => ({ ...entry, overlay: overlay.name }))),
    ],
  };
}

const ignored = `# Values of secrets with the hashes of their files, and new versions that wait for a merge by hand.
/overlays/*/secrets/**
/components/dev-profile-*/secrets/**
!/**/secrets/**/
!/**/secrets/**/*.example
*.new
`;

/** The images that containers run and devloop does not build. */
function pulledImages(conversions: readonly Conversion[]): readonly string[] {
  const built = new Set(
    conversions.flatMap(({ services }) =>
      services.flatMap(({ images }) => images.map(({ name }) => untagged(name))),
    ),
  );
  const run = conversions.flatMap(({ services }) =>
    services.flatMap(({ objects }) =>
      objects.flatMap((object) => {
        const spec = mapAt(object, "spec");
        const pod = mapAt(
          "jobTemplate" in spec ? mapAt(spec, "jobTemplate", "spec") : spec,
          "template",
          "spec",
        );
        const containers = [...listAt(pod, "initContainers"), ...listAt(pod, "containers")];
        return containers.flatMap((container) => textAt(unnoted(container), "image") ?? []);
      }),
    ),
  );
  return [...new Set(run)].filter((image) => !built.has(untagged(image))).sort();
}

const policiesFolder = "components/network-policies";

interface Context {
  readonly name: string;
  /** The folder of an overlay's network policies, when it is to take them in. */
  readonly policiesOf: (overlay: string, conversion: Conversion) => string | undefined;
  readonly groups: readonly Group[];
  readonly profiles: readonly string[];
}

/** What an overlay's own files say, and not the base's. */
function ownEntries({ report }: Conversion, baseFiles: number): readonly ReportEntry[] {
  return report.filter(({ origin }) => origin.kind === "file" && origin.layer >= baseFiles);
}

function isAsked({ profiles }: Pick<Group, "profiles">, asked: readonly string[]): boolean {
  return asked.includes("*") || profiles.some((profile) => asked.includes(profile));
}

/** The group with the same profiles, or an empty one: an overlay may bring all services of a profile. */
function groupLike(group: Group, among: readonly Group[]): Group {
  return (
    among.find(({ folder }) => folder === group.folder) ?? {
      ...group,
      services: [],
      shared: [],
      generators: [],
    }
  );
}

function overlaySpec(
  folder: string,
  conversion: Conversion,
  { name, groups, profiles, policiesOf }: Context,
  change = (group: Group) => objectsOf(group),
): OverlaySpec {
  const wanted = groupsOf(conversion).filter(
    (group) => group.profiles.length === 0 || isAsked(group, profiles),
  );
  const components = groups.filter((group) => group.profiles.length > 0 && isAsked(group, profiles));
  return {
    project: name,
    folder,
    namespace: namespaceOf(name, folder),
    head:
      folder === "dev"
        ? "For the inner loop: quick to be ready, quick to go."
        : `What ${folder} has of its own.`,
    resources: ["../../base"],
    components: [
      ...components.map((group) => group.folder),
      ...[policiesOf(folder, conversion) ?? []].flat(),
    ].map((component) => `../../${component}`),
    ownNamespace: true,
    pairs: wanted.map((group) => ({
      below: groupLike(group, groups),
      wanted: group,
      objects: change(group),
    })),
    images: builtImages(wanted),
  };
}

const builtImages = (groups: readonly Group[]): readonly string[] => [
  ...new Set(
    groups.flatMap(({ services }) => services.flatMap(({ images }) => images.map(({ name }) => name))),
  ),
];

/**
 * The dev overlay, a component of what development makes of each component of profiles that is not in it already, and an
 * overlay for each set of profiles that can be switched on together.
 */
function devFiles(dev: Conversion, context: Context): readonly OutputFile[] {
  const synced = new Set(
    dev.services.flatMap(({ images }) =>
      images.filter(({ sync }) => sync.length > 0).map(({ name }) => name),
    ),
  );
  const tuned = (group: Group) => objectsOf(group).map((object) => forDevelopment(object, synced));
  const spec = overlaySpec("dev", dev, context, tuned);
  const optional = groupsOf(dev).filter(
    (group) => group.profiles.length > 0 && !isAsked(group, context.profiles),
  );
  const components = optional.flatMap((group) =>
    emitTuning({
      folder: tuningFolder(group),
      head: `What development makes of the services of ${group.profiles.join(" and ")}.`,
      component: context.groups.some(({ folder }) => folder === group.folder)
        ? `../${posix.basename(group.folder)}`
        : undefined,
      pair: { below: groupLike(group, context.groups), wanted: group, objects: tuned(group) },
    }),
  );
  const overlays = profileSets(profilesOf(dev, context.profiles)).flatMap((profiles) => {
    const wanted = optional.filter((group) => isAsked(group, profiles));
    return emitOverlay({
      project: context.name,
      folder: profileOverlay(profiles),
      namespace: spec.namespace,
      head: `The dev overlay with the services of ${profiles.length > 1 ? "profiles" : "profile"} ${profiles.join(" and ")}.`,
      resources: ["../dev"],
      components: wanted.map((group) => `../../${tuningFolder(group)}`),
      ownNamespace: false,
      pairs: [],
      images: builtImages(wanted),
    });
  });
  return [...emitOverlay(spec), ...components, ...overlays];
}

const tuningFolder = ({ folder }: Group): string => `components/dev-${posix.basename(folder)}`;

const profileOverlay = (profiles: readonly string[]): string => `dev-profile-${profiles.join("+")}`;

/** Profiles that some service has and that were not asked for. */
function profilesOf({ services }: Conversion, asked: readonly string[]): readonly string[] {
  if (asked.includes("*")) return [];
  const all = new Set(
    services.filter((service) => !isAsked(service, asked)).flatMap(({ profiles }) => profiles),
  );
  return [...all].sort();
}

/** Of how many profiles all sets have an overlay: 15 of four, which is enough; of more only each by itself. */
const mostCombined = 4;

/** The sets of profiles that can be on together, single ones first. */
function profileSets(profiles: readonly string[]): readonly (readonly string[])[] {
  if (profiles.length > mostCombined) return profiles.map((profile) => [profile]);
  const sets = profiles.reduce<readonly (readonly string[])[]>(
    (before, profile) => [...before, ...before.map((set) => [...set, profile])],
    [[]],
  );
  return sets.filter((set) => set.length > 0).sort((left, right) => left.length - right.length);
}

function devloopPlan(dev: Conversion, { name, profiles }: Context): Parameters<typeof devloopYaml>[0] {
  const on = (service: ConvertedService) => service.profiles.length === 0 || isAsked(service, profiles);
  return {
    name,
    namespace: namespaceOf(name, "dev"),
    services: dev.services.filter(on),
    profiles: profileSets(profilesOf(dev, profiles)).map((set) => ({
      names: set,
      overlay: profileOverlay(set),
      services: dev.services.filter((service) => !on(service) && isAsked(service, set)),
    })),
  };
}
