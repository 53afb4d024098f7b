import { isDeepStrictEqual } from "node:util";
import type { Generator } from "../plan.js";
import type { OutputFile } from "../output.js";
import { noted, unlessEmpty, type Tree, type TreeMap } from "../tree.js";

// Entries of configMapGenerator and secretGenerator, and the files that they read. Names end in a hash of the content,
// so that a change of it rolls the pods out.

export interface EmittedGenerators {
  readonly keys: TreeMap;
  readonly files: readonly OutputFile[];
}

/** Generators by name, those of the same name put into one: services share what they read. */
export function uniqueGenerators(generators: readonly Generator[]): readonly Generator[] {
  const byName = new Map<string, Generator>();
  for (const generator of generators) {
    const id = `${generator.kind}/${generator.name}`;
    const before = byName.get(id);
    byName.set(id, before === undefined ? generator : joined(before, generator));
  }
  return [...byName.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function joined(left: Generator, right: Generator): Generator {
  const variables = new Map([...(left.variables ?? []), ...(right.variables ?? [])]);
  const files = new Map([...(left.files ?? []), ...(right.files ?? [])]);
  return {
    kind: left.kind,
    name: left.name,
    ...(variables.size > 0 ? { variables } : {}),
    ...(files.size > 0 ? { files } : {}),
  };
}

/** `folder` is that of the kustomization, with a slash at its end. */
export function emitGenerators(
  folder: string,
  generators: readonly Generator[],
  behaviours: ReadonlyMap<string, "replace"> = new Map(),
): EmittedGenerators {
  const configMaps: Tree[] = [];
  const secrets: Tree[] = [];
  const files: OutputFile[] = [];
  for (const generator of generators) {
    const emitted = emitOne(folder, generator, behaviours.get(generator.name));
    files.push(...emitted.files);
    (generator.kind === "Secret" ? secrets : configMaps).push(emitted.entry);
  }
  return {
    keys: {
      configMapGenerator: unlessEmpty(configMaps),
      secretGenerator:
        secrets.length === 0
          ? undefined
          : noted("From files that git ignores; beside each lies an example without the values.", secrets),
    },
    files,
  };
}

function emitOne(
  folder: string,
  generator: Generator,
  behavior: "replace" | undefined,
): { readonly entry: TreeMap; readonly files: readonly OutputFile[] } {
  const secret = generator.kind === "Secret";
  const under = secret ? "secrets" : "config";
  const { name } = generator;
  const lines = [...(generator.variables ?? [])].filter(([, value]) => !/[\r\n]/.test(value));
  // A line holds one variable: one of several lines is a file by itself.
  const long = [...(generator.variables ?? [])].filter(([, value]) => /[\r\n]/.test(value));
  const contents = [
    ...(generator.files ?? []),
    ...long.map(([key, value]) => [key, Buffer.from(value)] as const),
  ];
  const envFile = `${under}/${name}.env`;
  const fileOf = (key: string) => `${under}/${name}/${key}`;
  const entry = {
    name,
    behavior,
    envs: lines.length > 0 ? [envFile] : undefined,
    files: unlessEmpty(contents.map(([key]) => fileOf(key))),
  };
  const emitted: OutputFile[] = [
    ...(lines.length > 0
      ? [
          {
            path: `${folder}${envFile}`,
            content: lines.map(([key, value]) => `${key}=${value}\n`).join(""),
            secret,
          },
        ]
      : []),
    ...contents.map(([key, content]): OutputFile => ({
      path: `${folder}${fileOf(key)}`,
      content: textOf(content),
      secret,
    })),
  ];
  if (!secret) return { entry, files: emitted };
  const examples = emitted.map(({ path }): OutputFile => {
    const content =
      path === `${folder}${envFile}` ? lines.map(([key]) => `${key}=change-me\n`).join("") : "change-me\n";
    return { path: `${path}.example`, content };
  });
  return { entry, files: [...emitted, ...examples] };
}

/** Text where it is text, so that it can be compared and merged by lines. */
function textOf(content: Uint8Array): string | Uint8Array {
  const text = Buffer.from(content).toString("utf8");
  return !text.includes("\0") && Buffer.from(text).equals(Buffer.from(content)) ? text : content;
}

export function sameGenerator(left: Generator, right: Generator): boolean {
  return isDeepStrictEqual(left, right);
}
