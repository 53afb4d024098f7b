import { lstat, readFile, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { Environment, defaultEnvFiles, givenEnvFiles } from "../compose/environment.js";
import type { ComposeProject, ComposeService } from "../compose/model.js";
import { ProblemList } from "../compose/problems.js";
import { FileReader } from "../compose/read-file.js";
import { dockerfilePath } from "../convert/rules/binds.js";
import { scanSources } from "./scan-sources.js";
import { largestObject, mostFiles, type SourceFact, type Sources } from "../convert/sources.js";

/** What lies at the paths that the projects name, and the variables that their files see. */
export async function readSources(
  projects: readonly ComposeProject[],
  options: {
    /** Paths count from here. */
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly envFiles?: readonly string[] | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Sources> {
  const { signal } = options;
  const facts = new Map<string, SourceFact>();
  for (const path of new Set(projects.flatMap(pathsOf))) {
    signal.throwIfAborted();
    await readFact(path, facts);
  }
  const [first] = projects;
  const given = givenEnvFiles(options.envFiles, new Environment(options.env), options.cwd);
  const files = given ?? (first === undefined ? [] : await defaultEnvFiles(first.directory));
  const ignore = new ProblemList();
  const reader = new FileReader((file) => file, signal);
  const environment = await new Environment(options.env).withFiles(files, reader, ignore.report);
  const { dialled, complete } = await scanSources(projects, { signal });
  return {
    dialled,
    scannedAll: complete,
    fact: (path) => facts.get(path) ?? { kind: "missing" },
    variable: (name) => environment.get(name),
  };
}

function pathsOf(project: ComposeProject): readonly string[] {
  const services = [...Object.values(project.services), ...Object.values(project.disabledServices)];
  const files = [...Object.values(project.configs), ...Object.values(project.secrets)];
  return [...services.flatMap(pathsOfService), ...files.flatMap(({ file }) => file ?? [])];
}

function pathsOfService(service: ComposeService): readonly string[] {
  const { volumes, env_file: envFiles } = service;
  const dockerfile = dockerfilePath(service);
  const binds = (volumes ?? []).flatMap(({ type, source }) =>
    type === "bind" && source !== undefined ? [source] : [],
  );
  return [
    ...binds,
    ...(envFiles ?? []).map(({ path }) => path),
    ...(dockerfile === undefined ? [] : [dockerfile]),
  ];
}

async function readFact(path: string, facts: Map<string, SourceFact>): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) facts.set(path, { kind: "missing" });
  else if (found.isDirectory()) await readDirectory(path, facts);
  else if (!found.isFile()) facts.set(path, { kind: "special" });
  else if (found.size > largestObject) facts.set(path, { kind: "large-file", bytes: found.size });
  else facts.set(path, await readContent(path));
}

/** A file that cannot be read is told by what it would have become. */
async function readContent(path: string): Promise<SourceFact> {
  try {
    const isLink = (await lstat(path)).isSymbolicLink();
    // As seen from where the path says it is: directories above may be links too.
    const place = dirname(path);
    const linked = isLink
      ? { real: resolve(place, relative(await realpath(place), await realpath(path))) }
      : {};
    return { kind: "file", content: await readFile(path), ...linked };
  } catch {
    return { kind: "special" };
  }
}

/** The files of a directory, as long as they are few and small enough to be configuration. */
async function readDirectory(path: string, facts: Map<string, SourceFact>): Promise<void> {
  const files: string[] = [];
  const links: string[] = [];
  let bytes = 0;
  const root = await realpath(path);
  const complete = await walk(root, async (file) => {
    const name = relative(root, file).split(sep).join("/");
    const leaves = !(await realpath(file)).startsWith(root.endsWith(sep) ? root : `${root}${sep}`);
    (leaves ? links : files).push(name);
    if (!leaves) bytes += (await stat(file)).size;
    return files.length + links.length <= mostFiles && bytes <= largestObject;
  }).catch(() => false);
  facts.set(path, { kind: "directory", files: [...files].sort(), links: [...links].sort(), bytes, complete });
  if (complete) for (const file of files) facts.set(join(path, file), await readContent(join(path, file)));
}

/** Calls for each file below; false when a call said to stop. Links to directories are not followed. */
async function walk(directory: string, visit: (file: string) => Promise<boolean>): Promise<boolean> {
  const names = (await readdir(directory)).sort();
  for (const name of names) {
    const path = join(directory, name);
    const found = await lstat(path);
    const goesOn = found.isDirectory() ? await walk(path, visit) : await visitFile(path, visit);
    if (!goesOn) return false;
  }
  return true;
}

async function visitFile(path: string, visit: (file: string) => Promise<boolean>): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? visit(path) : true;
}
