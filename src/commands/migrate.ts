import { basename, relative, resolve } from "node:path";
import { DevloopError } from "../lib/errors.js";
import { tableLines } from "../lib/table.js";
import { loadCompose, type LoadComposeOptions } from "../migrate/compose/load.js";
import type { ComposeProject } from "../migrate/compose/model.js";
import { convert, type Migration, type Models } from "../migrate/convert/convert.js";
import { reportRows } from "../migrate/convert/emit/report.js";
import type { ReportEntry } from "../migrate/convert/ledger.js";
import { dnsName } from "../migrate/convert/names.js";
import type { WriteStep } from "../migrate/write/plan-writes.js";
import { readSources } from "../migrate/write/read-sources.js";
import { readProjectName } from "../migrate/write/state.js";
import { writeMigration } from "../migrate/write/write-files.js";

export interface MigrateOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As given with -f. */
  readonly files: readonly string[];
  readonly out: string | undefined;
  /** Names of the overlays of further files, in their order. */
  readonly overlays: readonly string[];
  readonly profiles: readonly string[];
  readonly dryRun: boolean;
  /** A dry run without the report: only the files. */
  readonly brief?: boolean;
  readonly strict: boolean;
  readonly force: boolean;
  readonly waitInitContainers: boolean;
  readonly probes: "readiness" | "full";
  readonly hostMounts: boolean;
  readonly networkPolicies: boolean;
  readonly signal: AbortSignal;
}

/**
 * `devloop migrate`: a kustomize base, overlays, devloop.yaml and MIGRATION.md from compose files. Exit code 1 with
 * --strict when something was dropped or needs a decision. Needs neither Docker nor a cluster.
 */
export async function migrateCommand(options: MigrateOptions): Promise<number> {
  const models = await loadModels(options);
  const { signal, env, cwd } = options;
  const sources = await readSources([models.base, ...models.overlays.map(({ project }) => project)], {
    cwd,
    env,
    signal,
  });
  const out = outOf(options, models.base.directory);
  const migration = convert(models, { ...options, out, sources });
  const steps = await writeMigration(migration.files, {
    project: models.base.name,
    out,
    signal,
    force: options.force,
    dryRun: options.dryRun,
  });
  const shown = relative(options.cwd, out);
  process.stdout.write(summary(migration, steps, { ...options, out: shown }));
  return options.strict && openEntries(migration).length > 0 ? 1 : 0;
}

const outOf = ({ cwd, out }: MigrateOptions, directory: string): string =>
  out === undefined ? directory : resolve(cwd, out);

/** The first file is the base; the override file is the dev overlay, and each further -f an overlay of its own. */
async function loadModels(options: MigrateOptions): Promise<Models> {
  const { cwd, env, profiles, signal } = options;
  const load = (files?: readonly string[], name?: string): Promise<ComposeProject> => {
    const given: LoadComposeOptions = { cwd, env, files, profiles, name };
    return loadCompose(given, { signal });
  };
  // Which files there are is what the loader finds out; all of them together must be right in any case.
  const found = await load(options.files);
  const known =
    found.nameFrom === "directory" ? await readProjectName(outOf(options, found.directory)) : undefined;
  const all = known === undefined || known === found.name ? found : await load(options.files, known);
  const [first, ...further] = all.files;
  if (first === undefined) throw new DevloopError("COMPOSE_NOT_FOUND", "there is no compose file here");
  const base = further.length === 0 ? all : await load([first], all.name);
  const overlays: { name: string; project: ComposeProject }[] = [];
  for (const [index, file] of further.entries()) {
    const name = options.overlays[index] ?? overlayName(file);
    overlays.push({
      name: dnsName(name),
      project: further.length === 1 ? all : await load([first, file], all.name),
    });
  }
  // A name without a file is an overlay that has nothing of its own yet.
  const extra = options.overlays.slice(further.length).filter((name) => name !== "dev");
  overlays.push(...extra.map((name) => ({ name: dnsName(name), project: base })));
  const names = overlays.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new DevloopError("USAGE", `two overlays are called ${twice}`, {
      hint: "name them with --overlay, in the order of the further -f",
    });
  }
  return { base, overlays };
}

/** `compose.prod.yaml` is prod; the override file is what Compose takes for development. */
function overlayName(file: string): string {
  const name = basename(file).replace(/\.ya?ml$/, "");
  const part = /^(?:docker-)?compose[.-](.+)$/.exec(name)?.[1] ?? name;
  return part === "override" ? "dev" : part;
}

function openEntries({ report }: Migration): readonly ReportEntry[] {
  return report.filter(
    ({ outcome, under, parts }) => (outcome === "decision" || outcome === "dropped") && !under && !parts,
  );
}

function summary(
  migration: Migration,
  steps: readonly WriteStep[],
  options: { readonly dryRun: boolean; readonly brief?: boolean; readonly out: string },
): string {
  const place = (path: string) => (options.out === "" ? path : `${options.out}/${path}`);
  const told = steps.filter(({ action }) => action !== "equal");
  const rows = told.map((step) => [
    words(step.action, options.dryRun),
    place(step.action === "beside" ? `${step.path}.new` : step.path),
    "note" in step ? (step.note ?? "") : "",
  ]);
  const open = openEntries(migration);
  const counted = reportRows(migration.report);
  const count = (outcome: ReportEntry["outcome"]) =>
    counted.filter((entry) => entry.outcome === outcome).length;
  const report = migration.files.find(({ path }) => path === "MIGRATION.md")?.content;
  return [
    ...tableLines(rows),
    ...(told.length === 0 ? ["nothing changed"] : []),
    "",
    ...(options.dryRun && !options.brief && typeof report === "string" ? [report] : []),
    `${count("converted")} keys converted, ${count("approximated")} approximated, ${count("decision")} to decide, ${count("dropped")} dropped`,
    ...(open.length > 0 && !options.dryRun
      ? [`${place("MIGRATION.md")} tells each with its file and line, decisions first`]
      : []),
    ...(options.dryRun ? ["nothing was written"] : ["next: devloop up"]),
    "",
  ].join("\n");
}

const done: Readonly<Record<WriteStep["action"], string>> = {
  create: "created",
  replace: "updated",
  merge: "merged",
  beside: "new version",
  remove: "removed",
  leave: "left",
  equal: "same",
};

function words(action: WriteStep["action"], dryRun: boolean): string {
  if (!dryRun) return done[action];
  const planned: Partial<Record<WriteStep["action"], string>> = {
    create: "create",
    replace: "update",
    merge: "merge",
    remove: "remove",
    leave: "leave",
  };
  return planned[action] ?? done[action];
}
