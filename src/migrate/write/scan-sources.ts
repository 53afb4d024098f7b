import { readdirSync, readFileSync, statSync, type Dirent } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { compileIgnore, readDockerignore, type IgnoreMatcher } from "../../lib/ignore-file.js";
import { createPacer } from "../../lib/pacer.js";
import type { ComposeProject } from "../compose/model.js";
import { dialledInSource } from "../convert/hosts.js";
import { allServices } from "../convert/images.js";
import { otherHostNames } from "../convert/names-of-hosts.js";
import { below, dockerfilePath, localContext } from "../convert/rules/binds.js";
import type { DialledPort } from "../convert/sources.js";

/** How much is read at most, so that a large repository costs a second and no more. */
export interface ScanLimits {
  readonly files: number;
  /** In one file: what is larger was generated. */
  readonly fileBytes: number;
  readonly bytes: number;
  /** Names in directories that are looked at. */
  readonly entries: number;
}

const usualLimits: ScanLimits = {
  files: 4000,
  fileBytes: 256 * 1024,
  bytes: 32 * 1024 * 1024,
  entries: 40_000,
};

/** Libraries of others, and what tools keep: no source of the project. */
const skippedDirectory = /^(?:\..*|node_modules|bower_components|vendor|venv|__pycache__|site-packages)$/;
/** A Dockerfile and compose files name images, `web:3000` is a tag there; styles, documents and locks dial nobody. */
const skippedFile =
  /^(?:Dockerfile|Containerfile)|Dockerfile$|compose[^/]*\.ya?ml$|\.(?:md|rst|css|s[ac]ss|less|svg|map|lock|new)$|^(?:package-lock\.json|pnpm-lock\.yaml|go\.sum|devloop\.yaml)$/i;

/**
 * Ports at which the sources of the projects' services dial one of them: build contexts and bind-mounted files and
 * directories, without what .dockerignore leaves out. Each port of a host once, at the first place by path and line.
 * `complete` is false when the limits ended it. Only where some service's port has to be known: one that has an address
 * of its own.
 */
export async function scanSources(
  projects: readonly ComposeProject[],
  { signal, limits = usualLimits }: { readonly signal: AbortSignal; readonly limits?: ScanLimits },
): Promise<{ readonly dialled: readonly DialledPort[]; readonly complete: boolean }> {
  const asking = projects.filter((project) =>
    allServices(project).some(([, service]) => hasAddress(service)),
  );
  const hosts = [...new Set(asking.flatMap(hostsOf))];
  const roots = new Map(asking.flatMap(rootsOf).map((root) => [root.path, root]));
  const budget = { ...limits };
  const pace = createPacer();
  const seen = new Set(asking.flatMap(({ filesRead }) => filesRead));
  const found = new Map<string, DialledPort>();
  let complete = true;
  for (const root of [...roots.values()].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    const ignore = compileIgnore(
      (await readDockerignore(root.path, root.dockerfile).catch(() => none)).patterns,
    );
    for (const path of filesBelow(root.path, ignore, budget)) {
      const rest = pace();
      if (rest !== undefined) await rest;
      signal.throwIfAborted();
      if (seen.has(path) || skippedFile.test(basename(path))) continue;
      seen.add(path);
      for (const { host, port, line } of dialledInSource(readText(path, budget) ?? "", hosts)) {
        const key = `${host}:${port}`;
        const before = found.get(key);
        if (!before || path < before.file) found.set(key, { host, port, file: path, line });
      }
    }
    complete = budget.files > 0 && budget.bytes > 0 && budget.entries > 0;
    if (!complete) break;
  }
  return { dialled: [...found.values()].sort(byPort), complete };
}

const none = { patterns: [] };

const byPort = (left: DialledPort, right: DialledPort): number =>
  left.port - right.port || (left.host < right.host ? -1 : 1);

/** Whether its Service leads to known ports alone; see services-of. */
const hasAddress = (service: ComposeProject["services"][string]): boolean =>
  localContext(service) !== undefined || service.deploy?.endpoint_mode === "vip";

const hostsOf = (project: ComposeProject): readonly string[] =>
  allServices(project).flatMap(([key]) => [key, ...otherHostNames(key, project)]);

interface Root {
  readonly path: string;
  readonly dockerfile?: string | undefined;
}

function rootsOf(project: ComposeProject): readonly Root[] {
  return allServices(project).flatMap(([, service]) => {
    const context = localContext(service);
    const binds = (service.volumes ?? []).flatMap(({ type, source }) =>
      type === "bind" && source !== undefined && below(project.directory, source) !== undefined
        ? [source]
        : [],
    );
    return [
      ...binds.map((path) => ({ path })),
      ...(context === undefined ? [] : [{ path: context, dockerfile: dockerfilePath(service) }]),
    ];
  });
}

/** Files by name, those of a directory before those further down: near the top is what people wrote. */
function* filesBelow(
  root: string,
  ignore: IgnoreMatcher,
  budget: { entries: number },
): Generator<string, void, undefined> {
  if (orNothing(() => statSync(root).isFile())) yield root;
  const directories = [root];
  for (const directory of directories) {
    const children = orNothing(() => readdirSync(directory, { withFileTypes: true })) ?? [];
    for (const child of children.sort(byName)) {
      if (budget.entries-- <= 0) return;
      const path = join(directory, child.name);
      const inside = relative(root, path).split(sep).join("/");
      if (child.isDirectory()) {
        if (!skippedDirectory.test(child.name) && !isOutput(path) && !ignore.canSkipDirectory(inside))
          directories.push(path);
      } else if (child.isFile() && !ignore.matches(inside)) yield path;
    }
  }
}

const byName = (left: Dirent, right: Dirent): number => (left.name < right.name ? -1 : 1);

/** What an earlier migration wrote says again what it found then. */
const isOutput = (directory: string): boolean =>
  orNothing(() => statSync(join(directory, ".devloop-migrate.json")).isFile()) === true;

function readText(
  path: string,
  budget: { files: number; bytes: number; readonly fileBytes: number },
): string | undefined {
  if (budget.files <= 0 || budget.bytes <= 0) return undefined;
  const size = orNothing(() => statSync(path).size);
  if (size === undefined || size > budget.fileBytes) return undefined;
  budget.files--;
  budget.bytes -= size;
  const content = orNothing(() => readFileSync(path));
  return content === undefined || content.includes(0) ? undefined : content.toString("utf8");
}

/** What may not be read, or is gone, says nothing. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
