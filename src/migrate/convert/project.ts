import type { ComposeProject } from "../compose/model.js";
import type { Ledger } from "./ledger.js";
import { namesIn } from "./hosts.js";
import { dnsName, isLabelKey, isLabelValue } from "./names.js";
import type { ConvertOptions, Names } from "./plan.js";
import type { ResourceNames } from "./resource-names.js";
import { allServices } from "./images.js";
import { claimObject, inMemoryOptions, nfsOf } from "./rules/volumes.js";
import { mapAt, unlessEmpty, type TreeMap } from "./tree.js";
import type { Sources } from "./sources.js";

// What stands beside the services: volumes, networks, configs, secrets, models.

/** The claims of the project's volumes, by their keys, and what becomes of every key. */
export function claimsOf(
  project: ComposeProject,
  names: Pick<ResourceNames, "volumes">,
  ledger: Ledger,
): ReadonlyMap<string, TreeMap> {
  const claims = new Map<string, TreeMap>();
  for (const [key, volume] of Object.entries(project.volumes)) {
    const at = ["volumes", key];
    const say = (
      outcome: "converted" | "approximated" | "decision" | "dropped",
      path: readonly string[],
      text: string,
    ) => {
      ledger.sayAll(outcome, [...at, ...path], text);
    };
    const name = names.volumes.get(key) ?? dnsName(key);
    const nfs = nfsOf(volume.driver_opts);
    if (volume.external) {
      ledger.say(
        "decision",
        at,
        `PersistentVolumeClaim ${name} is made outside the project: it must be in the namespace`,
      );
      say("decision", ["external"], `make PersistentVolumeClaim ${name} before the first deploy`);
    } else if (nfs) ledger.say("converted", at, "an NFS mount of the pods");
    else if (inMemoryOptions(volume.driver_opts))
      ledger.say("approximated", at, "an emptyDir in memory of each pod");
    else {
      ledger.say("converted", at, `PersistentVolumeClaim ${name}`);
      const { annotations, labels } = labelsOf(volume.labels);
      const note = "One claim for all services that mount the volume.";
      const claim = claimObject(name, note, {
        labels: unlessEmpty(labels),
        annotations: unlessEmpty(annotations),
      });
      claims.set(key, withKompose(claim, key, project));
    }
    if (volume.name !== undefined) say("converted", ["name"], "claims are told apart by their namespace");
    if (volume.labels) say("converted", ["labels"], "labels or annotations of the claim");
    if (volume.driver !== undefined) {
      const local = volume.driver === "local" || volume.driver === "";
      say(
        local ? "converted" : "decision",
        ["driver"],
        local ? "the cluster's default storage class" : `name a storage class for driver ${volume.driver}`,
      );
    }
    if (volume.driver_opts) {
      const known = nfs !== undefined || inMemoryOptions(volume.driver_opts);
      say(
        known ? "converted" : "decision",
        ["driver_opts"],
        known ? "the mount" : "options of a driver: choose a storage class that does the same",
      );
    }
  }
  return claims;
}

/** The size and storage class that Kompose's labels ask for. */
function withKompose(claim: TreeMap, key: string, project: ComposeProject): TreeMap {
  const labels = allServices(project)
    .filter(([, service]) => service.volumes?.some(({ type, source }) => type === "volume" && source === key))
    .map(([, service]) => service.labels ?? {});
  const size = labels.flatMap((each) => each["kompose.volume.size"] ?? [])[0];
  const storageClassName = labels.flatMap((each) => each["kompose.volume.storage-class-name"] ?? [])[0];
  if (size === undefined && storageClassName === undefined) return claim;
  const spec = mapAt(claim, "spec");
  const resources = size === undefined ? spec["resources"] : { requests: { storage: size } };
  return { ...claim, spec: { ...spec, storageClassName, resources } };
}

function labelsOf(given: Readonly<Record<string, string>> | undefined): {
  readonly labels: TreeMap;
  readonly annotations: TreeMap;
} {
  const entries = Object.entries(given ?? {}).filter(([key]) => isLabelKey(key));
  return {
    labels: Object.fromEntries(entries.filter(([, value]) => isLabelValue(value))),
    annotations: Object.fromEntries(entries.filter(([, value]) => !isLabelValue(value))),
  };
}

interface Told {
  readonly project: ComposeProject;
  readonly names: ResourceNames & Pick<Names, "renamedHosts">;
  readonly ledger: Ledger;
  readonly sources: Sources;
  readonly policies: readonly TreeMap[];
  readonly options: Pick<ConvertOptions, "networkPolicies">;
}

/** What becomes of the top level's other keys. */
export function sayProject(told: Told): void {
  const { project, ledger } = told;
  for (const section of [
    "services",
    "disabledServices",
    "networks",
    "volumes",
    "configs",
    "secrets",
    "models",
  ]) {
    ledger.say("converted", [section], "see its keys");
  }
  sayNetworks(told);
  for (const kind of ["configs", "secrets"] as const) {
    for (const key of Object.keys(project[kind])) sayFile(told, kind, key);
  }
  for (const key of Object.keys(project.models)) {
    ledger.sayAll("decision", ["models", key], "models are run by Docker: deploy a model server for it");
  }
  ledger.say(
    "converted",
    ["name"],
    "name of the project in devloop.yaml, part-of label, and the namespaces' first part",
  );
}

function sayNetworks({ project, ledger, policies, options }: Told): void {
  const component = options.networkPolicies
    ? "components/network-policies"
    : "components/network-policies, which --network-policies switches on";
  for (const [key, network] of Object.entries(project.networks)) {
    const at = ["networks", key];
    if (policies.length === 0) ledger.say("converted", at, "the cluster's network: there is nothing to part");
    else {
      const text = `a cluster has one network; NetworkPolicies part it: ${component}`;
      ledger.say(options.networkPolicies ? "converted" : "approximated", at, text);
    }
    for (const part of Object.keys(network)) {
      const path = [...at, part];
      if (part.startsWith("x-")) continue;
      if (part === "name" || part === "attachable" || part === "labels")
        ledger.sayAll("converted", path, "nothing is called so: there is one network");
      else if (part === "internal" && network.internal)
        ledger.say(
          options.networkPolicies ? "converted" : "decision",
          path,
          `NetworkPolicies keep its services from the outside: ${component}`,
        );
      else if (part === "external" && network.external)
        ledger.say(
          "decision",
          path,
          "to reach what is on it, make Services of type ExternalName, or Endpoints",
        );
      else
        ledger.sayAll(
          part === "internal" || part === "external" ? "converted" : "dropped",
          path,
          "addresses and drivers are the cluster's network's",
        );
    }
  }
}

function sayFile(told: Told, kind: "configs" | "secrets", key: string): void {
  const { project, names, ledger } = told;
  const definition = project[kind][key];
  const object = kind === "configs" ? "ConfigMap" : "Secret";
  const name = names[kind].get(key) ?? dnsName(key);
  const at = [kind, key];
  const external = dnsName(definition?.name ?? key);
  if (definition?.external) {
    const make = `${object} ${external} with the key ${key}`;
    ledger.say("decision", at, `${make} is made outside the project`);
    ledger.say("decision", [...at, "external"], `make ${make} in the namespace before the first deploy`);
  } else {
    const used = allServices(project).some(([, service]) =>
      service[kind]?.some(({ source }) => source === key),
    );
    const text = used ? `${object} ${name}, by a generator` : "no service uses it: nothing is made";
    ledger.say("converted", at, text);
    sayContent(told, kind, key, text);
  }
  if (definition?.name !== undefined)
    ledger.say(
      "converted",
      [...at, "name"],
      definition.external ? `${object} ${external}` : `${object} ${name}: told apart by the namespace`,
    );
  if (definition?.labels)
    ledger.sayAll("dropped", [...at, "labels"], "generators give all their objects the same labels");
  if (definition?.template_driver !== undefined)
    ledger.say(
      "dropped",
      [...at, "template_driver"],
      "nothing fills in templates: write the result, or fill it in when the container starts",
    );
  if (definition && "driver" in definition)
    ledger.say(
      "decision",
      [...at, "driver"],
      "an operator can bring it from its store: External Secrets, Secrets Store CSI",
    );
  if (definition && "driver_opts" in definition)
    ledger.sayAll("decision", [...at, "driver_opts"], "options of the store that holds the secret");
}

function sayContent(
  { project, names, ledger, sources }: Told,
  kind: "configs" | "secrets",
  key: string,
  text: string,
): void {
  const definition = project[kind][key];
  const at = [kind, key];
  if (definition === undefined) return;
  const sayNames = (from: "content" | "file", content: string) => {
    for (const host of namesIn(content, names.renamedHosts.keys())) {
      const to = names.renamedHosts.get(host) ?? host;
      const asked = `is ${host} in it the host? that is called ${to} in the cluster`;
      ledger.say("decision", [...at, from], asked);
    }
  };
  if ("content" in definition) {
    ledger.say("converted", [...at, "content"], text);
    sayNames("content", definition.content ?? "");
  }
  if (definition.environment !== undefined) {
    const set = sources.variable(definition.environment) !== undefined;
    const lost = `${definition.environment} is not set: it is empty until you write it`;
    ledger.say(
      set ? "converted" : "decision",
      [...at, "environment"],
      set ? `${text}: the value of now` : lost,
    );
  }
  if (definition.file !== undefined) {
    const fact = sources.fact(definition.file);
    if (fact.kind === "file") {
      ledger.say("converted", [...at, "file"], `${text}: a copy`);
      sayNames("file", Buffer.from(fact.content).toString());
    } else {
      const why = {
        missing: "the file is not there",
        directory: "it is a directory",
        special: "it is no file",
        "large-file": "it is too large for one object of a cluster",
      }[fact.kind];
      ledger.say("decision", [...at, "file"], `${why}: make it, and run devloop migrate again`);
    }
  }
}
