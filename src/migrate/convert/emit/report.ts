import { relative } from "node:path";
import type { ComposeOrigin, ComposeProject, ModelPath } from "../../compose/model.js";
import type { Outcome, ReportEntry } from "../ledger.js";

/** The report for people: the decisions first, then every key of every service and of what stands beside them. */
export function migrationReport(options: {
  readonly project: ComposeProject;
  readonly report: readonly ReportEntry[];
  readonly overlays: readonly { readonly name: string; readonly report: readonly ReportEntry[] }[];
  /** All compose files that were given or found. */
  readonly files: readonly string[];
  /** Images that devloop does not build. */
  readonly pulled: readonly string[];
  readonly out: string;
}): string {
  const { project, report, overlays, out } = options;
  const all = [...report, ...overlays.flatMap((overlay) => overlay.report)];
  const open = reportRows(all).filter(({ outcome }) => outcome === "decision");
  const dropped = reportRows(all).filter(({ outcome }) => outcome === "dropped");
  const { files: read, pulled } = options;
  const files = read.map((file) => `\`${shown(out, file)}\``).join(", ");
  const sections = [...new Set(report.map(({ path }) => sectionOf(path)))];
  return [
    `# ${project.name}: from compose to Kubernetes`,
    "",
    `Written by \`devloop migrate\` from ${files}. ${counts(reportRows(all))}`,
    "",
    "`converted`: it does the same. `approximated`: it differs, as told. `decision`: yours to take. `dropped`: nothing does it.",
    "",
    "## Decisions",
    "",
    ...(open.length === 0 ? ["None."] : table(open, out, true)),
    "",
    "## Dropped",
    "",
    ...(dropped.length === 0 ? ["Nothing."] : table(dropped, out, true)),
    ...unsetLines(project, out),
    ...pulledLines(pulled),
    ...sections.flatMap((section) => {
      const own = reportRows(report.filter(({ path }) => sectionOf(path) === section));
      return own.length === 0 ? [] : ["", `## ${section}`, "", ...table(own, out, false)];
    }),
    ...overlays.flatMap((overlay) => {
      const own = reportRows(overlay.report);
      return own.length === 0
        ? []
        : ["", `## What overlay ${overlay.name} changes`, "", ...table(own, out, true)];
    }),
    "",
  ].join("\n");
}

/** The entries that MIGRATION.md has rows of. */
export function reportRows(entries: readonly ReportEntry[]): readonly ReportEntry[] {
  const told = new Set(
    entries.filter(({ done }) => !done).flatMap(({ path, origin }) => placesAbove(path, origin)),
  );
  // What a key did while the files were read, or that a map was merged, is no row beside those of what came of it.
  const isNoise = ({ path, origin, done }: ReportEntry) => done === true && told.has(placeKey(path, origin));
  return withoutRepeats(entries.filter((entry) => isShown(entry) && !isNoise(entry)));
}

const placeKey = (path: ModelPath, origin: ComposeOrigin): string =>
  JSON.stringify([path, origin.kind === "file" ? origin.file : origin.kind]);

const placesAbove = (path: ModelPath, origin: ComposeOrigin): readonly string[] =>
  path.map((_, index) => placeKey(path.slice(0, index + 1), origin));

/** What a person wrote: not what Compose fills in, and not what a key's own statement says already. */
function isShown({ origin, parts, under, outcome, path }: ReportEntry): boolean {
  if (parts || under || (sections.has(String(path[0])) && path.length === 1)) return false;
  return origin.kind !== "default" || outcome === "decision" || outcome === "dropped";
}

/** Without what the entry above says in the same words, and what is said twice of one place. */
function withoutRepeats<Entry extends ReportEntry>(entries: readonly Entry[]): readonly Entry[] {
  const told = new Set<string>();
  return entries.filter(({ path, outcome, text, origin }) => {
    const saying = (at: ModelPath) => JSON.stringify([at, outcome, text]);
    const place = JSON.stringify([saying(path), origin.kind === "file" ? origin.line : 0]);
    const repeated = told.has(saying(path.slice(0, -1))) || told.has(place);
    told.add(saying(path)).add(place);
    return !repeated;
  });
}

function counts(entries: readonly ReportEntry[]): string {
  const of = (outcome: Outcome) => entries.filter((entry) => entry.outcome === outcome).length;
  return `${of("converted")} converted, ${of("approximated")} approximated, ${of("decision")} to decide, ${of("dropped")} dropped.`;
}

function table(entries: readonly ReportEntry[], out: string, whole: boolean): readonly string[] {
  return [
    "| key | where | | what became of it |",
    "| --- | --- | --- | --- |",
    ...entries.map(({ path, origin, outcome, text }) => {
      const key = formatKey(whole || !(String(path[0]) in titles) ? path : path.slice(2));
      return `| \`${cell(key)}\` | ${cell(placeOf(origin, out))} | ${outcome} | ${cell(text)} |`;
    }),
  ];
}

const titles: Readonly<Record<string, string>> = {
  services: "Service",
  disabledServices: "Service",
  networks: "Network",
  volumes: "Volume",
  configs: "Config",
  secrets: "Secret",
  models: "Model",
};

const sections: ReadonlySet<string> = new Set([...Object.keys(titles), "extensions"]);

function sectionOf(path: ModelPath): string {
  const [section = "", name] = path;
  const title = titles[String(section)];
  return title === undefined || name === undefined ? "The project" : `${title} ${name}`;
}

function formatKey(path: ModelPath): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return text.replace(/^\./, "").replace(/^disabledServices\./, "services.") || "(itself)";
}

function placeOf(origin: ComposeOrigin, out: string): string {
  switch (origin.kind) {
    case "file":
      return `${shown(out, origin.file)}:${origin.line}`;
    case "environment":
      return `environment ${origin.variable}`;
    case "default":
      return "filled in";
  }
}

function unsetLines({ unset }: ComposeProject, out: string): readonly string[] {
  if (unset.length === 0) return [];
  const lines = unset.map(
    ({ name, file, line }) => `- \`${name}\` (${shown(out, file)}:${line}): nothing stands in its place`,
  );
  return ["", "## Variables that are not set", "", ...new Set(lines)];
}

function pulledLines(images: readonly string[]): readonly string[] {
  if (images.length === 0) return [];
  return [
    "",
    "## Images that are pulled",
    "",
    `The cluster's nodes pull these from their registries, as devloop builds only what has a \`build\`: ${images.map((image) => `\`${cell(image)}\``).join(", ")}.`,
    "A private registry needs `imagePullSecrets`. One that only this machine has: `kind load docker-image IMAGE`, `k3d image import IMAGE`, or an image in",
    "devloop.yaml with `dockerfileInline: FROM IMAGE`, under the name that stands in the manifests.",
  ];
}

const shown = (out: string, file: string): string => relative(out, file).replaceAll("\\", "/") || ".";
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("`", "'");
