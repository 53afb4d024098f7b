import { dirname, join, isAbsolute } from "node:path";
import { absolutePath, absolutePaths } from "./absolute-paths.js";
import { isRemote } from "./find-files.js";
import { filePlace } from "./interpolate.js";
import { absorbTree, applyResets, mergeNodes, mergeService } from "./merge.js";
import {
  get,
  getEntry,
  isNull,
  mapEntries,
  textOf,
  withEntry,
  withoutEntry,
  type MapNode,
  type Node,
  type Visit,
  asMap,
} from "./node.js";
import { cameBy } from "./relabel.js";
import type { FileSet } from "./file-set.js";
import { documentsOf, finish } from "./document.js";

/** The services of one file, as far as its own text goes, and the `!reset`s in it. */
interface Services {
  readonly services: MapNode;
  readonly resets: readonly (readonly string[])[];
  readonly visit: Visit;
}
interface Step {
  readonly file: string;
  readonly service: string;
}

/** The file's tree with every service that extends another laid over that one. */
export async function applyExtends(
  root: MapNode,
  resets: readonly (readonly string[])[],
  visit: Visit,
  set: FileSet,
): Promise<MapNode> {
  const services = get(root, "services");
  if (services?.kind !== "map") return root;
  const extender = new Extender(set);
  const entries = new Map(services.entries);
  for (const [name, entry] of services.entries) {
    const value = await extender.resolve(name, { services, resets, visit }, []);
    if (value) entries.set(name, { ...entry, value });
  }
  set.run.problems.throwIfAny();
  return withEntry(root, "services", { ...services, entries });
}

class Extender {
  readonly #files = new Map<string, Promise<Services | undefined>>();

  constructor(private readonly set: FileSet) {}

  /** The service with what it extends below it; undefined when that cannot be had, which was reported. */
  async resolve(name: string, from: Services, steps: readonly Step[]): Promise<Node | undefined> {
    const service = from.services.entries.get(name)?.value;
    const extend = getEntry(service, "extends");
    if (service?.kind !== "map" || !extend || isNull(extend.value)) return service;
    const here = { file: from.visit.source.file, service: name };
    if (steps.some(({ file, service: other }) => file === here.file && other === name)) {
      this.#cycle(extend.value, [...steps, here]);
      return undefined;
    }
    const base = await this.#base(name, extend.value, from, [...steps, here]);
    const { run } = this.set;
    absorbTree(extend.value, ["services", name, "extends"], extend.key, "applied", run.absorb);
    const own = withoutEntry(service, "extends");
    if (!base) return own;
    const place = filePlace(extend.key);
    const origin = from.visit;
    const came = place ? cameBy(base, { kind: "extends", ...place }, origin.layer) : base;
    const kept = applyResets(came, ownResets(from.resets, name), run.absorb, ["services", name]);
    return mergeService(kept, own, ["services", name], run);
  }

  async #base(name: string, extend: Node, from: Services, steps: readonly Step[]): Promise<Node | undefined> {
    const { report } = this.set.run;
    const wanted = extend.kind === "scalar" ? extend : get(extend, "service");
    const service = textOf(wanted);
    if (wanted === undefined || service === undefined) {
      report(extend.place, `services.${name}.extends: names no service`);
      return undefined;
    }
    const file = get(extend, "file");
    const services = file ? await this.#servicesOf(file) : from;
    if (!services) return undefined;
    if (!services.services.entries.has(service)) {
      const where = file ? ` in ${textOf(file) ?? ""}` : "";
      report(wanted.place, `services.${name}.extends: there is no service ${service}${where}`);
      return undefined;
    }
    const key = services.services.entries.get(service)?.key;
    // A service of this file is there by itself; one of another is in the model as what extends it.
    if (file && key) this.set.run.absorb(["services", name], key, "merged");
    return this.resolve(service, services, steps);
  }

  async #servicesOf(node: Node): Promise<Services | undefined> {
    const { run, directory } = this.set;
    const named = textOf(node) ?? "";
    if (isRemote(named)) {
      run.report(
        node.place,
        `${named} is not a file of this machine`,
        "fetch it first, and name the local copy",
      );
      return undefined;
    }
    const file = absolutePath(named, { directory, home: undefined });
    if (isAbsolute(file) && !(await run.reader.has(file))) {
      run.report(node.place, `there is no file ${named}`);
      return undefined;
    }
    const known = this.#files.get(file) ?? this.#readServices(file, node);
    this.#files.set(file, known);
    return known;
  }

  /** The services of another file, in the long form and with paths as seen from it. It is not checked by itself. */
  async #readServices(file: string, node: Node): Promise<Services | undefined> {
    const { run } = this.set;
    const source = await run.reader.read(file);
    const visit: Visit = { source, layer: 0, via: [] };
    const documents = documentsOf(visit, this.set);
    const roots = documents.map(({ root }) => root).filter((root) => root.kind === "map");
    const [first, ...rest] = roots;
    const merged = first && rest.reduce<Node>((below, over) => mergeNodes(below, over, run), first);
    const services = get(merged, "services");
    if (merged?.kind !== "map" || services?.kind !== "map") {
      run.report(node.place, `${textOf(node) ?? ""} has no services`);
      return undefined;
    }
    const directory = join(dirname(file));
    const only = mapEntries(merged, (value, name) => (name === "services" ? value : undefined));
    const long = finish(only, merged.place, run, false);
    const absolute = absolutePaths(long, { directory, home: run.home });
    return {
      services: asMap(get(absolute, "services") ?? long),
      resets: documents.flatMap(({ resets }) => resets),
      visit,
    };
  }

  #cycle(extend: Node, steps: readonly Step[]): void {
    const shown = steps.map(({ service }) => service).join(" extends ");
    this.set.run.report(extend.place, `services extend each other in a circle: ${shown}`);
  }
}

/** The resets within a service, as seen from it. */
function ownResets(resets: readonly (readonly string[])[], name: string): readonly (readonly string[])[] {
  return resets
    .filter((path) => path.length > 2 && path[0] === "services" && path[1] === name)
    .map((path) => path.slice(2));
}
