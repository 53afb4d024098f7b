import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Source } from "../../lib/source.js";
import { parseEnvText } from "./env-text.js";
import type { Place, Report } from "./node.js";
import type { FileReader } from "./read-file.js";
import type { Lookup } from "./substitute.js";

/** Variables as Compose has them: the process' own first, then env files in their order, the last one first. */
export class Environment {
  constructor(
    private readonly own: Readonly<Record<string, string | undefined>>,
    private readonly files: ReadonlyMap<string, string> = new Map(),
  ) {}

  readonly lookup: Lookup = (name) => {
    const value = Object.hasOwn(this.own, name) ? this.own[name] : undefined;
    if (value !== undefined) return { value, from: "environment" };
    const given = this.files.get(name);
    return given === undefined ? undefined : { value: given, from: "env-file" };
  };

  get(name: string): string | undefined {
    return this.lookup(name)?.value;
  }

  /** With variables of its own that win over all others. */
  with(own: Readonly<Record<string, string>>): Environment {
    return new Environment({ ...this.own, ...own }, this.files);
  }

  /** With what is in the files and not set so far. */
  async withFiles(files: readonly string[], reader: FileReader, report: Report): Promise<Environment> {
    const added = new Map<string, string>();
    for (const file of files) {
      const source = await reader.read(file);
      const { variables, problems } = parseEnvText(source.text, this.lookup, (name) => added.get(name));
      for (const { offset, message } of problems) report(placeIn(source, offset), message);
      for (const [name, { value }] of variables) added.set(name, value);
    }
    return new Environment(this.own, new Map([...added, ...this.files]));
  }
}

/** A place in a file that is not a compose file. */
export function placeIn(source: Source, offset: number): Place {
  return {
    kind: "file",
    visit: { source, layer: -1, via: [] },
    span: { start: offset, end: Math.min(offset + 1, source.text.length) },
  };
}

/** The `.env` of a directory, if it has one. A directory of that name (a Python environment, say) is none. */
export async function defaultEnvFiles(directory: string): Promise<readonly string[]> {
  const file = join(directory, ".env");
  return (await isFile(file)) ? [file] : [];
}

/** The env files that the command line names, else COMPOSE_ENV_FILES; undefined: the default is to be looked for. */
export function givenEnvFiles(
  envFiles: readonly string[] | undefined,
  environment: Environment,
  cwd: string,
): readonly string[] | undefined {
  if (envFiles && envFiles.length > 0) return envFiles.map((file) => resolve(cwd, file));
  const named = environment.get("COMPOSE_ENV_FILES");
  if (named !== undefined && named !== "") return named.split(",").map((file) => resolve(cwd, file));
  return /^(?:1|t|true)$/i.test(environment.get("COMPOSE_DISABLE_ENV_FILE") ?? "") ? [] : undefined;
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
