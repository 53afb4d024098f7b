import { readFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { isScalar, LineCounter, parseAllDocuments, visit, type Document } from "yaml";
import { loadCompose } from "../../../src/migrate/compose/load.js";
import {
  keyPaths,
  originOf,
  type ComposeOrigin,
  type ComposeProject,
} from "../../../src/migrate/compose/model.js";
import { fileShape } from "../../../src/migrate/compose/schema.js";
import type { Shape } from "../../../src/migrate/compose/shape.js";
import { fixtureNames, fixtureOptions, fixturesRoot } from "./fixture.js";

async function load(name: string): Promise<ComposeProject> {
  return loadCompose(fixtureOptions(name), { signal: new AbortController().signal });
}

interface Key {
  readonly name: string;
  readonly place: string;
}

/** Every key of a file, found without the loader. */
function keysOf(file: string): readonly Key[] {
  const text = readFileSync(file, "utf8");
  const lineCounter = new LineCounter();
  const keys: Key[] = [];
  for (const document of parseAllDocuments(text, { lineCounter, logLevel: "silent" }) as Document[]) {
    visit(document, {
      Pair(_, { key }) {
        if (!isScalar(key) || !key.range) return;
        const { line, col } = lineCounter.linePos(key.range[0]);
        keys.push({ name: String(key.value), place: `${relative(fixturesRoot, file)}:${line}:${col}` });
      },
    });
  }
  return keys;
}

function placesOf(project: ComposeProject): ReadonlySet<string> {
  const places = new Set<string>();
  const add = ({ file, line, column }: { file: string; line: number; column: number }): void =>
    void places.add(`${relative(fixturesRoot, file)}:${line}:${column}`);
  const origins: readonly ComposeOrigin[] = [
    ...[...keyPaths(project)].map(({ origin }) => origin),
    ...project.absorbed.map(({ origin }) => origin),
  ];
  for (const origin of origins) {
    if (origin.kind !== "file") continue;
    add(origin);
    // A `<<` is told by what it brought.
    for (const via of origin.via) add(via);
  }
  return places;
}

/** Of a file that is extended, only the services that are asked for belong to the project. */
const foreign = new Set(["unrelated", "nonsense"]);

describe("every key of every file is accounted for", () => {
  it.each(fixtureNames())("%s", async (name) => {
    const project = await load(name);
    const places = placesOf(project);
    const files = project.filesRead.filter((file) => /\.ya?ml$/.test(file));
    const missing = files.flatMap(keysOf).filter((key) => !places.has(key.place) && !foreign.has(key.name));
    // The `services` of a file that is only extended is no key of the project.
    const extended = files.filter((file) => !project.files.includes(file)).map((file) => basename(file));
    expect(
      missing.filter((key) => key.name !== "services" || !extended.some((file) => key.place.includes(file))),
    ).toEqual([]);
  });

  it("and every value of the model has an origin", async () => {
    for (const name of fixtureNames()) {
      const project = await load(name);
      for (const [service, keys] of Object.entries(project.services)) {
        for (const key of Object.keys(keys)) {
          expect(originOf(project, ["services", service, key]), `${name}: ${service}.${key}`).toBeDefined();
        }
      }
    }
  });

  it("the projects use every key of the specification", async () => {
    const used = new Set<string>();
    for (const name of fixtureNames()) {
      for (const { path } of keyPaths(await load(name))) used.add(wildcards(path));
    }
    const never = keysOfShape(fileShape, "").filter((key) => !used.has(key));
    // Done by the time that there is a model.
    const applied = [/^version$/, /^include(?:\.|$)/, /\.extends(?:\.|$)/, /\.external\.name$/];
    expect(never.filter((key) => !applied.some((each) => each.test(key)))).toEqual([]);
  });
});

const named = /^(services|disabledServices|networks|volumes|secrets|configs|models)$/;

function wildcards(path: readonly (string | number)[]): string {
  const parts = path.map((part, index) =>
    typeof part === "number" || (index === 1 && named.test(String(path[0]))) ? "*" : part,
  );
  const user = ["networks", "depends_on", "models", "ulimits"];
  const at = path[2] === "build" ? 3 : 2;
  if (path[0] === "services" && user.includes(String(path[at])) && path.length > at + 1) parts[at + 1] = "*";
  return parts.join(".");
}

function keysOfShape(shape: Shape, at: string): readonly string[] {
  const below = (key: string): string => (at === "" ? key : `${at}.${key}`);
  switch (shape.kind) {
    case "map":
      return Object.entries(shape.keys).flatMap(([key, each]) => [
        below(key),
        ...keysOfShape(each, below(key)),
      ]);
    case "dict":
      return keysOfShape(shape.of, below("*"));
    case "list":
      return keysOfShape(shape.of, below("*"));
    case "choice":
      return shape.of.flatMap((each) => keysOfShape(each, at));
    default:
      return [];
  }
}
