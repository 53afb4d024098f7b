import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoadComposeOptions } from "../../../src/migrate/compose/load.js";

/** Each directory is a project, with `expected.json` recorded from Docker Compose (refresh-compose.ts). */
export const fixturesRoot = new URL("../../fixtures/compose", import.meta.url).pathname;

/** What stands for the directory that holds the projects in recorded files. */
export const rootPlaceholder = "{root}";

/** `options.json` of a project: what the command line and the environment say. Paths count from `cwd`. */
interface FixtureOptions {
  /** Below the project's directory; left out: that itself. */
  readonly cwd?: string;
  readonly files?: readonly string[];
  readonly projectDirectory?: string;
  readonly profiles?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly envFiles?: readonly string[];
  readonly name?: string;
}

export function fixtureNames(): readonly string[] {
  return readdirSync(fixturesRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** The home directory that `~` stands for, in the oracle too. */
const home = "/home/user";

export function fixtureOptions(name: string, root = fixturesRoot): LoadComposeOptions {
  const directory = join(root, name);
  const file = join(directory, "options.json");
  const options = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as FixtureOptions;
  return { ...options, cwd: join(directory, options.cwd ?? ""), env: { HOME: home, ...options.env } };
}

export function expectedConfig(name: string): unknown {
  const text = readFileSync(join(fixturesRoot, name, "expected.json"), "utf8");
  // Compose doubles every $ in what it prints.
  return JSON.parse(text.replaceAll(rootPlaceholder, fixturesRoot).replaceAll("$$", () => "$"));
}
