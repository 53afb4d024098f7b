import type { ComposeProject } from "../compose/model.js";
import { allServices, imageNames } from "./images.js";
import { Ledger, type ReportEntry } from "./ledger.js";
import { profileName } from "./names.js";
import { clusterNames } from "./names-of-hosts.js";
import { networkPolicies } from "./network-policies.js";
import type { ConvertOptions, ForwardPlan, Generator, ImagePlan, ServiceView } from "./plan.js";
import { resourceNames } from "./resource-names.js";
import { claimsOf, sayProject } from "./project.js";
import { hostOf, podOwner } from "./pod-owner.js";
import { strongest, waitsOf, type Waits } from "./rules/depends.js";
import { convertService, serviceObjects, viewOf } from "./service.js";
import type { TreeMap } from "./tree.js";
import type { Sources } from "./sources.js";

/** A service's manifests and all else that comes of it. */
export interface ConvertedService {
  readonly key: string;
  readonly name: string;
  /** Sorted; empty for a service that is always there. */
  readonly profiles: readonly string[];
  readonly objects: readonly TreeMap[];
  readonly generators: readonly Generator[];
  readonly images: readonly ImagePlan[];
  readonly forwards: readonly ForwardPlan[];
  readonly waits: Waits;
  /** Keys of the project's volumes that it mounts. */
  readonly claims: readonly string[];
}

/** One resolved project, converted: nothing of files and folders yet. */
export interface Conversion {
  readonly project: ComposeProject;
  readonly services: readonly ConvertedService[];
  /** By key of the project's volumes. */
  readonly claims: ReadonlyMap<string, TreeMap>;
  /** NetworkPolicies that part services as the project's networks do. */
  readonly policies: readonly TreeMap[];
  readonly report: readonly ReportEntry[];
}

export function convertProject(
  project: ComposeProject,
  sources: Sources,
  options: ConvertOptions,
): Conversion {
  const ledger = new Ledger();
  const images = imageNames(project, sources);
  const hosts = clusterNames(project);
  const names = { ...hosts, ...resourceNames(project, hosts.services), images };
  const base = { project, names, options, sources, ledger };
  const claims = claimsOf(project, names, ledger);
  const policies = networkPolicies({ ...options, project, names: names.services });
  sayProject({ project, names, ledger, sources, policies, options });
  const results = allServices(project).map(([key]) => convertService(viewOf(base, key)));
  const joinedTo = (key: string) =>
    results.filter(({ view }) => view.key !== key && podOwner(view.key, project) === key);
  const services = results.flatMap((result): ConvertedService[] => {
    const { view } = result;
    if (hostOf(view) !== undefined) {
      const name = names.services.get(podOwner(view.key, project)) ?? "";
      view.say("converted", ["network_mode"], `a container of ${name}'s pod: they share its network`);
      sayPodKeys(view, name);
      return [];
    }
    const joined = joinedTo(view.key);
    const all = [result, ...joined];
    const waits = strongest(all.map((each) => waitsOf(each.view)));
    return [
      {
        key: view.key,
        name: view.name,
        profiles: [...new Set((view.service.profiles ?? []).map(profileName))].sort(),
        objects: serviceObjects(result, joined),
        generators: all.flatMap((each) => each.part.generators),
        images: all.flatMap((each) => each.part.images),
        // Peers of one pod are reached through its Service.
        forwards: all.flatMap((each) =>
          each.part.forwards.map((forward) => ({ ...forward, service: view.name })),
        ),
        waits: Object.fromEntries(Object.entries(waits).filter(([name]) => name !== view.name)),
        claims: all.flatMap((each) => each.part.claims),
      },
    ];
  });
  return { project, services, claims, policies, report: ledger.entries(project) };
}

/** Keys that are a pod's matter, or its workload's: a container that joins another's pod has no say in them. */
const podKeys: ReadonlySet<string | number | undefined> = new Set([
  "annotations",
  "dns",
  "dns_opt",
  "dns_search",
  "extra_hosts",
  "group_add",
  "hostname",
  "init",
  "ipc",
  "labels",
  "pid",
  "platform",
  "restart",
  "runtime",
  "stop_grace_period",
  "sysctls",
  "userns_mode",
]);

function sayPodKeys(view: ServiceView, owner: string): void {
  const section = view.key in view.project.services ? "services" : "disabledServices";
  for (const { path } of view.project.origins.values()) {
    const [top, key, ...inside] = path;
    if (top !== section || key !== view.key) continue;
    const ofWorkload = inside[0] === "deploy" && inside.length > 1 && inside[1] !== "resources";
    if (!podKeys.has(inside[0]) && !ofWorkload) continue;
    view.ledger.sayInstead(
      "decision",
      [section, view.key, ...inside.slice(0, ofWorkload ? 2 : 1)],
      `a pod has one of it, and this one is ${owner}'s: set it there if it is needed`,
    );
  }
}
