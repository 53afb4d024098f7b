import { dirname, join, relative, resolve, sep } from "node:path";
import { parseDotenv } from "../lib/dotenv.js";
import { findForwardClashes } from "./check-forwards.js";
import { findSyncProblems, type SyncProblem } from "./check-sync.js";
import { expand } from "./expand.js";
import { findConfig, readText } from "./find-config.js";
import type { Lookup } from "./interpolate.js";
import { collectOrigins, type Origin } from "./origins.js";
import { formatPath } from "./path.js";
import { invalidConfig, type Problem } from "../lib/problems.js";
import { activeProfiles, mergeProfile } from "./profiles.js";
import { configSchema, fileSchema, type Config } from "./schema.js";
import { createSource, type Source } from "../lib/source.js";
import { readTree, type ConfigNode, type MapNode } from "./tree.js";
import { find, validate } from "./validate.js";

export interface LoadConfigOptions {
  /** Path of the file, relative to `cwd`; left out: found in `cwd` or above. */
  readonly file?: string | undefined;
  /** The file's text, for one that is not written yet; `file` then says where it will be. */
  readonly text?: string;
  readonly cwd: string;
  /** `ci` switches a profile on, `-ci` switches one off that would be active by itself. */
  readonly profiles: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The kubeconfig context, for profiles that are active by it. */
  readonly context?: string | undefined;
}

export interface LoadedConfig {
  /** Profiles merged, variables replaced, defaults filled in. */
  readonly config: Config;
  /** Absolute path of devloop.yaml. */
  readonly file: string;
  /** Absolute paths of all files that were read or would be if they were there: what to watch. */
  readonly files: readonly string[];
  /** The active profiles, in the order in which they were merged. */
  readonly profiles: readonly string[];
  /** What set each value, by its place: `images.web.args.PORT`, `forwards[0].local`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** The file's text and how to point into it, for problems found later. */
  readonly source: Source;
  /** The merged tree, for the places of values. */
  readonly tree: ConfigNode;
  /** A variable's value: of the environment, else of `.env`. */
  readonly variable: (name: string) => string | undefined;
}

/**
 * Reads devloop.yaml: finds it, replaces variables, merges the active profiles, checks everything.
 * Throws CONFIG_NOT_FOUND, or CONFIG_INVALID with all problems in one.
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { cwd, env, context } = options;
  const file =
    options.text === undefined ? await findConfig(options) : resolve(cwd, options.file ?? "devloop.yaml");
  const dotenvFile = join(dirname(file), ".env");
  const [text, dotenvText] = await Promise.all([
    options.text ?? readText(file, { cwd }),
    readText(dotenvFile, { cwd, absent: "" }),
  ]);
  const shown = relative(cwd, file).split(sep).join("/");
  const source = createSource({ file, shown, text: text.replace(/^\uFEFF/, "") });
  const lookup = createLookup(env, parseDotenv(dotenvText));

  const { root, problems: syntax } = readTree(source.text);
  if (syntax.length > 0) throw invalidConfig(source, syntax);

  const problems: Problem[] = [];
  const report = (problem: Problem): void => void problems.push(problem);
  const { base, profiles } = splitProfiles(root);

  // Whether a profile is active is asked of every profile, so all activations must be readable.
  const known = mapValues(profiles, (profile) =>
    expandActivation(profile, { text: source.text, lookup, report }),
  );
  const active = activeProfiles(known, { requested: options.profiles, lookup, context, shown });
  const merged = active.reduce<ConfigNode>((below, name) => {
    const profile = profiles.entries.get(name)?.value;
    return profile === undefined ? below : mergeProfile(below, withoutKey(profile, "activation"), name);
  }, base);

  // Only what is in force has to have its variables; the rest is checked as far as it is known.
  const tree = expand(merged, { text: source.text, lookup, report });
  const declared = validate(fileSchema, expand(root, { text: source.text, lookup })).problems;
  // What is wrong in a section is wrong in the merged result too: said once, with the place where it is written.
  const checked = declared.length > 0 ? { problems: declared } : validate(configSchema, tree);
  problems.push(...checked.problems);
  const config = "value" in checked ? checked.value : undefined;
  if (config !== undefined) problems.push(...crossChecks(config, tree, source));
  if (config === undefined || problems.length > 0) throw invalidConfig(source, problems);

  return {
    config,
    file,
    files: [file, dotenvFile],
    profiles: active,
    origins: collectOrigins(source, tree, configSchema, config),
    source,
    tree,
    variable: (name) => lookup(name)?.value,
  };
}

function createLookup(env: LoadConfigOptions["env"], dotenv: ReadonlyMap<string, string>): Lookup {
  return (name) => {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined) return { value, from: "environment" };
    const fallback = dotenv.get(name);
    return fallback === undefined ? undefined : { value: fallback, from: ".env" };
  };
}

const noProfiles: MapNode = { kind: "map", span: { start: 0, end: 0 }, entries: new Map() };

function splitProfiles(root: ConfigNode): { readonly base: ConfigNode; readonly profiles: MapNode } {
  const profiles = find(root, ["profiles"]);
  return { base: withoutKey(root, "profiles"), profiles: profiles?.kind === "map" ? profiles : noProfiles };
}

function withoutKey(node: ConfigNode, key: string): ConfigNode {
  if (node.kind !== "map") return node;
  return { ...node, entries: new Map([...node.entries].filter(([name]) => name !== key)) };
}

function mapValues(map: MapNode, change: (value: ConfigNode) => ConfigNode): MapNode {
  return {
    ...map,
    entries: new Map([...map.entries].map(([name, { key, value }]) => [name, { key, value: change(value) }])),
  };
}

function expandActivation(profile: ConfigNode, options: Parameters<typeof expand>[1]): ConfigNode {
  if (profile.kind !== "map") return profile;
  const activation = profile.entries.get("activation");
  if (activation === undefined) return profile;
  const entries = new Map(profile.entries);
  entries.set("activation", { key: activation.key, value: expand(activation.value, options) });
  return { ...profile, entries };
}

/** What no single value tells: places that do not go together. */
function crossChecks(config: Config, tree: ConfigNode, source: Source): readonly Problem[] {
  const found: readonly SyncProblem[] = [
    ...findForwardClashes(config.forwards),
    ...findSyncProblems(config, source.file),
  ];
  return found.map(({ path, other, message, hint }) => {
    const first = other && (find(tree, other)?.span ?? tree.span);
    const where = first === undefined ? "" : ` (first at line ${source.position(first.start).line})`;
    return {
      span: find(tree, path)?.span ?? tree.span,
      message: `${formatPath(path)}: ${message}${where}`,
      hint,
    };
  });
}
