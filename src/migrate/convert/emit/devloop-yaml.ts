import { isDeepStrictEqual } from "node:util";
import type { ConvertedService } from "../convert-project.js";
import { escapeVariables } from "../expansion.js";
import type { ForwardPlan, ImagePlan, SyncRulePlan } from "../plan.js";
import { isList, isMap, Noted, noted, unlessEmpty, type Tree, type TreeMap } from "../tree.js";
import { freeName } from "../names.js";
import type { Wait } from "../rules/depends.js";
import { yamlFile } from "./yaml.js";

export interface DevloopPlan {
  readonly name: string;
  readonly namespace: string;
  /** Services that are always there, or whose profile was asked for. */
  readonly services: readonly ConvertedService[];
  readonly profiles: readonly {
    /** One profile of the compose file, or several that are on together. */
    readonly names: readonly string[];
    readonly overlay: string;
    readonly services: readonly ConvertedService[];
  }[];
}

/** The project's devloop.yaml. */
export function devloopYaml(plan: DevloopPlan): string {
  const sections = sectionsOf(plan.services);
  const profiles = profilesOf(plan);
  const tree: TreeMap = {
    version: 1,
    name: plan.name,
    cluster: { namespace: plan.namespace },
    images: sections.images,
    deploy: [{ kustomize: "k8s/overlays/dev" }],
    forwards: sections.forwards,
    order:
      Object.keys(orderOf(plan.services)).length === 0
        ? undefined
        : noted("From depends_on: what each workload waits for before it starts.", orderOf(plan.services)),
    profiles: unlessEmpty(Object.fromEntries(profiles)),
  };
  return yamlFile(
    escaped(tree),
    "Written by devloop migrate; MIGRATION.md tells what of the compose file became what.",
  );
}

/** A profile for each of the compose file's, and one that switches itself on for each set of them: lists are replaced. */
function profilesOf(plan: DevloopPlan): readonly (readonly [string, TreeMap])[] {
  const taken = new Set(plan.profiles.flatMap(({ names }) => names));
  return plan.profiles.map(({ names, overlay, services }) => {
    const forwards = [...plan.services, ...services].flatMap((service) => service.forwards);
    const deploy = [{ kustomize: `k8s/overlays/${overlay}` }];
    const replaced = {
      order: unlessEmpty(furtherOrder(plan, services)),
      deploy: noted("A list takes the place of the one above: the dev overlay is in this one.", deploy),
      forwards: services.some((service) => service.forwards.length > 0) ? forwards.map(forwardOf) : undefined,
    };
    const [name = "", ...others] = names;
    if (others.length === 0) return [name, { ...sectionsOf(services), ...replaced }];
    const together = freeName(names.join("-and-"), taken);
    taken.add(together);
    return [together, { activation: [{ profiles: names }], ...replaced }];
  });
}

interface Sections {
  readonly images: Tree | undefined;
  readonly forwards: Tree | undefined;
}

function sectionsOf(services: readonly ConvertedService[]): Sections {
  const images = new Map<string, ImagePlan>();
  for (const image of services.flatMap((service) => service.images)) {
    const before = images.get(image.name);
    images.set(
      image.name,
      before === undefined
        ? image
        : {
            ...before,
            sync: uniqueRules([...before.sync, ...image.sync]),
            rebuild: [...new Set([...before.rebuild, ...image.rebuild])],
          },
    );
  }
  const forwards = services.flatMap((service) => service.forwards);
  return {
    images: unlessEmpty(Object.fromEntries([...images].map(([name, image]) => [name, imageOf(image)]))),
    forwards: unlessEmpty(forwards.map(forwardOf)),
  };
}

function imageOf({ spec, environmentArgs, sync, rebuild }: ImagePlan): TreeMap {
  const args = {
    ...(isMap(spec["args"]) ? spec["args"] : {}),
    ...Object.fromEntries(
      Object.entries(environmentArgs).map(([arg, expression]) => [arg, new Expression(expression)]),
    ),
  };
  return {
    ...spec,
    args: unlessEmpty(args as TreeMap),
    sync: unlessEmpty(sync.map(ruleOf)),
    rebuild: unlessEmpty(rebuild),
  };
}

function ruleOf({ src, dest, ignore, then }: SyncRulePlan): TreeMap {
  return {
    src,
    dest,
    ignore: ignore && unlessEmpty(ignore),
    then: then === undefined || then === "restart" ? then : { exec: then.exec, workdir: then.workdir },
  };
}

function uniqueRules(rules: readonly SyncRulePlan[]): readonly SyncRulePlan[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

const forwardOf = ({ service, local, remote, host }: ForwardPlan): Tree => ({ service, local, remote, host });

/**
 * Which workload waits for which, and until when: `{web: {db: ready, migrate: completed}}`. Only of those that are
 * there: compose lets a service wait for one whose profile is off.
 */
export function orderOf(services: readonly ConvertedService[]): Readonly<Record<string, TreeMap>> {
  const there = new Set(services.map(({ name }) => name));
  const entries = services.map(({ name, waits }) => {
    const present = Object.entries(waits).filter(([other]) => there.has(other));
    return [name, Object.fromEntries(present.map(([other, wait]) => [other, needOf(wait)]))] as const;
  });
  return Object.fromEntries(entries.filter(([, needs]) => Object.keys(needs).length > 0));
}

const needOf = ({ until, restart }: Wait): Tree => (restart ? { until, restart } : until);

/** The order with further services, as far as it says something new. */
function furtherOrder(
  plan: DevloopPlan,
  services: readonly ConvertedService[],
): Readonly<Record<string, TreeMap>> {
  const known = orderOf(plan.services);
  const all = Object.entries(orderOf([...plan.services, ...services]));
  return Object.fromEntries(all.filter(([name, needs]) => !isDeepStrictEqual(known[name], needs)));
}

/** A text with variables of the environment, which devloop puts in when it reads the file. */
class Expression {
  constructor(readonly text: string) {}
}

function escaped(tree: Tree | Expression): Tree {
  if (tree instanceof Expression) return tree.text;
  if (tree instanceof Noted) return new Noted(tree.note, escaped(tree.value) as Exclude<Tree, Noted>);
  if (typeof tree === "string") return escapeVariables(tree);
  if (isList(tree)) return tree.map(escaped);
  if (!isMap(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) => (value === undefined ? [] : [[key, escaped(value)]])),
  );
}
