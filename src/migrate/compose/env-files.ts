import { parseEnvText, parseRawEnvText, type EnvText } from "./env-text.js";
import { placeIn, type Environment } from "./environment.js";
import {
  entriesOf,
  filledIn,
  get,
  isNull,
  itemsOf,
  textNode,
  textOf,
  withEntry,
  type Entry,
  type MapNode,
  type Node,
} from "./node.js";
import { resolveNames, variablesOf } from "./own-environment.js";
import type { Lookup } from "./substitute.js";
import { isTrue } from "./defaults.js";
import type { LoadRun } from "./file-set.js";

/**
 * The service with its env files below its environment and its label files below its labels. Of a service that is
 * off, files that are not there are nobody's loss: `optional`.
 */
export async function resolveServiceFiles(
  service: MapNode,
  environment: Environment,
  run: LoadRun,
  optional: boolean,
): Promise<MapNode> {
  const withVariables = await resolveEnvFiles(service, environment, run, optional);
  return resolveLabelFiles(withVariables, run, optional);
}

async function resolveEnvFiles(
  service: MapNode,
  environment: Environment,
  run: LoadRun,
  optional: boolean,
): Promise<MapNode> {
  const given = get(service, "environment");
  const own = given ? resolveNames(given, environment, true) : undefined;
  const ownValues = variablesOf(own);
  const found = new Map<string, Entry>();
  const before = (name: string): string | undefined => textOf(found.get(name)?.value);
  for (const file of itemsOf(get(service, "env_file"))) {
    const lookup: Lookup = (name) => {
      const value = ownValues.get(name);
      return environment.lookup(name) ?? (value === undefined ? undefined : { value, from: "env-file" });
    };
    const entries = await readEnvFile(file, lookup, before, run, optional || !isTrue(get(file, "required")));
    for (const [name, entry] of entries) found.set(name, entry);
  }
  if (found.size === 0) return own ? withEntry(service, "environment", own) : service;
  // A name without a value that is set nowhere stays one, even where a file sets it.
  for (const [name, entry] of entriesOf(own)) found.set(name, entry);
  const place = own?.place ?? filledIn;
  return withEntry(service, "environment", { kind: "map", place, entries: found });
}

async function readEnvFile(
  node: Node,
  lookup: Lookup,
  before: (name: string) => string | undefined,
  run: LoadRun,
  optional: boolean,
): Promise<ReadonlyMap<string, Entry>> {
  const path = get(node, "path");
  const file = textOf(path);
  if (path === undefined || file === undefined) return new Map();
  const format = get(node, "format");
  const formatName = textOf(format) ?? "";
  if (format && formatName !== "" && formatName !== "raw" && formatName !== ".env") {
    run.report(
      format.place,
      `"${formatName}" is not a format of env files`,
      "the one there is besides the usual is raw",
    );
    return new Map();
  }
  return readVariables(path, file, optional, run, (text) =>
    formatName === "raw" ? parseRawEnvText(text, lookup) : parseEnvText(text, lookup, before),
  );
}

async function readVariables(
  node: Node,
  file: string,
  optional: boolean,
  run: LoadRun,
  parse: (text: string) => EnvText,
): Promise<ReadonlyMap<string, Entry>> {
  if (!(await run.reader.has(file))) {
    if (!optional) run.report(node.place, `there is no file ${run.reader.shown(file)}`);
    return new Map();
  }
  const source = await run.reader.read(file);
  const { variables, problems } = parse(source.text);
  for (const { offset, message } of problems) run.report(placeIn(source, offset), message);
  return new Map(
    [...variables].map(([name, { value, offset }]) => {
      const place = placeIn(source, offset);
      return [name, { key: place, value: textNode(value, place) }];
    }),
  );
}

async function resolveLabelFiles(service: MapNode, run: LoadRun, optional: boolean): Promise<MapNode> {
  const files = itemsOf(get(service, "label_file"));
  if (files.length === 0) return service;
  const found = new Map<string, Entry>();
  const before = (name: string): string | undefined => textOf(found.get(name)?.value);
  for (const node of files) {
    const file = textOf(node) ?? "";
    const entries = await readVariables(node, file, optional, run, (text) =>
      parseEnvText(text, () => undefined, before),
    );
    for (const [name, entry] of entries) found.set(name, entry);
  }
  const given = get(service, "labels");
  for (const [name, entry] of entriesOf(given)) {
    found.set(name, isNull(entry.value) ? { ...entry, value: textNode("", entry.value.place) } : entry);
  }
  if (found.size === 0) return service;
  return withEntry(service, "labels", { kind: "map", place: given?.place ?? filledIn, entries: found });
}
