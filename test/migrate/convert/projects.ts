import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import { loadCompose } from "../../../src/migrate/compose/load.js";
import type { ComposeProject } from "../../../src/migrate/compose/model.js";
import { convert, type Migration, type MigrationOptions } from "../../../src/migrate/convert/convert.js";
import { readSources } from "../../../src/migrate/write/read-sources.js";
import { fixtureOptions } from "../compose/fixture.js";

const { signal } = new AbortController();

const made: string[] = [];
afterAll(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A directory with these files, until the end of the test file. */
export function scratchProject(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "devloop-migrate-"));
  made.push(directory);
  writeTree(directory, files);
  return directory;
}

export function writeTree(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

export type ConvertChoices = Partial<
  Pick<MigrationOptions, "waitInitContainers" | "probes" | "hostMounts" | "networkPolicies" | "profiles">
>;

const plainOptions = {
  waitInitContainers: false,
  probes: "readiness",
  hostMounts: false,
  networkPolicies: false,
  profiles: [],
} as const;

export interface Converted extends Migration {
  readonly project: ComposeProject;
  /** A text file of the result. */
  readonly file: (path: string) => string;
  /** What the report says of a key: `converted: …`. */
  readonly told: (path: string) => string | undefined;
}

/** Converts the project of a directory; further files become overlays: `compose.prod.yaml` is prod. */
export async function convertDirectory(
  cwd: string,
  choices: ConvertChoices & {
    readonly env?: Readonly<Record<string, string>>;
    /** Files of the base. */
    readonly base?: readonly string[];
    readonly overlays?: Readonly<Record<string, string>>;
  } = {},
): Promise<Converted> {
  const { env = {}, overlays = {}, base: files = ["compose.yaml"], ...rest } = choices;
  const base = await loadCompose({ cwd, env, name: "app", files }, { signal });
  const further = [];
  for (const [name, file] of Object.entries(overlays)) {
    further.push({
      name,
      project: await loadCompose({ cwd, env, name: "app", files: [...files, file] }, { signal }),
    });
  }
  const sources = await readSources([base, ...further.map(({ project }) => project)], { cwd, env, signal });
  return withLookup(
    base,
    convert({ base, overlays: further }, { ...plainOptions, ...rest, out: base.directory, sources }),
  );
}

/** One of the loader's fixtures, as its options say. */
export async function convertFixture(name: string, choices: ConvertChoices = {}): Promise<Converted> {
  const options = fixtureOptions(name);
  const base = await loadCompose(options, { signal });
  const sources = await readSources([base], { ...options, signal });
  return withLookup(
    base,
    convert({ base, overlays: [] }, { ...plainOptions, ...choices, out: base.directory, sources }),
  );
}

/** Services as they stand in a compose file, with files beside it. */
export async function convertText(
  services: string,
  {
    files = {},
    ...choices
  }: ConvertChoices & {
    readonly files?: Readonly<Record<string, string>>;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Converted> {
  return convertDirectory(scratchProject({ ...files, "compose.yaml": services }), choices);
}

function withLookup(project: ComposeProject, migration: Migration): Converted {
  return {
    ...migration,
    project,
    file: (path) => {
      const found = migration.files.find((file) => file.path === path)?.content;
      if (typeof found !== "string")
        throw new Error(`no text ${path} among ${migration.files.map((file) => file.path).join(", ")}`);
      return found;
    },
    told: (path) => {
      const entry = migration.report.findLast((each) => each.path.join(".") === path);
      return entry && `${entry.outcome}: ${entry.text}`;
    },
  };
}
