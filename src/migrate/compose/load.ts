import { dirname, relative, resolve, sep } from "node:path";
import { DevloopError } from "../../lib/errors.js";
import { homeDirectory } from "../../lib/home.js";
import { withRealWatchPaths } from "./absolute-paths.js";
import { ModelBuilder } from "./build-model.js";
import { checkConsistency, type Split } from "./consistency.js";
import { Environment, defaultEnvFiles, givenEnvFiles } from "./environment.js";
import { resolveServiceFiles } from "./env-files.js";
import { directoryName, findComposeFiles, normalizeName } from "./find-files.js";
import { filePlace } from "./interpolate.js";
import { loadFiles } from "./load-files.js";
import type { Absorbed, ComposeProject, ComposeService, UnsetVariable } from "./model.js";
import {
  entriesOf,
  get,
  getEntry,
  itemsOf,
  numberNode,
  textOf,
  withEntry,
  type Entry,
  type MapNode,
  type Node,
  type Visit,
} from "./node.js";
import { normalize } from "./normalize.js";
import { ProblemList } from "./problems.js";
import { FileReader, readDocuments } from "./read-file.js";
import { configShape, modelShape, networkShape, secretShape, volumeShape } from "./schema.js";
import { serviceShape } from "./schema-service.js";
import { any, type Shape } from "./shape.js";
import { substitute } from "./substitute.js";
import type { LoadRun } from "./file-set.js";

export interface LoadComposeOptions {
  /** Absolute path; other paths count from here, and files are looked for from here upwards. */
  readonly cwd: string;
  /** As given with -f; none: COMPOSE_FILE, else the default names. */
  readonly files?: readonly string[] | undefined;
  /** Where the files' own relative paths count from; left out: the first file's directory. */
  readonly projectDirectory?: string | undefined;
  /** None: COMPOSE_PROFILES. `*` turns all on. */
  readonly profiles?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As given with --env-file; none: COMPOSE_ENV_FILES, else `.env` in the project's directory. */
  readonly envFiles?: readonly string[] | undefined;
  /** Left out: COMPOSE_PROJECT_NAME, the files' `name`, the directory's name. */
  readonly name?: string | undefined;
}

/**
 * Reads a project's compose files as Docker Compose v2 does (`docker compose config`). Nothing is fetched and Docker is
 * not asked. Throws COMPOSE_NOT_FOUND, or COMPOSE_INVALID with all problems that one step finds in one.
 */
export async function loadCompose(
  options: LoadComposeOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<ComposeProject> {
  return new Loader(options, signal).load();
}

class Loader {
  readonly #problems = new ProblemList();
  readonly #absorbed: Absorbed[] = [];
  readonly #unset: UnsetVariable[] = [];
  readonly #run: LoadRun;

  constructor(
    private readonly options: LoadComposeOptions,
    signal: AbortSignal,
  ) {
    const shown = (file: string): string => relative(options.cwd, file).split(sep).join("/");
    this.#run = {
      reader: new FileReader(shown, signal),
      problems: this.#problems,
      report: this.#problems.report,
      absorb: this.#absorb,
      unset: (variable) => void this.#unset.push(variable),
      home: homeDirectory(options.env),
      signal,
    };
  }

  async load(): Promise<ComposeProject> {
    const { cwd, files: given } = this.options;
    const first = await this.#environment();
    const start = this.#projectDirectory();
    const files = await findComposeFiles({ files: given, cwd, directory: start ?? cwd, environment: first });
    const directory = start ?? dirname(files[0] ?? cwd);
    const environment = await this.#withDefaultEnvFile(first, directory);
    this.#problems.throwIfAny();
    const { name, from } = await this.#name(files, directory, environment);
    const named = environment.with({ COMPOSE_PROJECT_NAME: name });
    const merged = await loadFiles(files, {
      run: this.#run,
      directory,
      environment: named,
      via: [],
      layer: (index) => index,
      including: [],
    });
    if (merged.entries.size === 0) {
      throw new DevloopError(
        "COMPOSE_INVALID",
        `${this.#run.reader.shown(files[0] ?? cwd)} has nothing in it`,
      );
    }
    this.#problems.throwIfAny();
    const root = normalize(merged, name, named, this.#absorb);
    const profiles = this.#profiles(named);
    const split = splitByProfiles(root, profiles);
    checkConsistency(root, split, this.#problems.report);
    const enabled = await this.#resolved(split.enabled, named, false);
    const disabled = await this.#resolved(split.disabled, named, true);
    this.#problems.throwIfAny();
    const project = this.#build(root, { enabled, disabled });
    this.#problems.throwIfAny();
    return {
      ...project,
      name,
      nameFrom: from,
      directory,
      files,
      filesRead: this.#run.reader.files,
      profiles,
    };
  }

  readonly #absorb: LoadRun["absorb"] = (path, place, why) => {
    const origin = filePlace(place);
    if (place.kind !== "file" || !origin) return;
    const { layer, via } = place.visit;
    this.#absorbed.push({ path, origin: { kind: "file", ...origin, layer, via }, why });
  };

  #projectDirectory(): string | undefined {
    const { cwd, projectDirectory } = this.options;
    return projectDirectory === undefined ? undefined : resolve(cwd, projectDirectory);
  }

  /** What is known before the files are: their names may stand in an env file. */
  async #environment(): Promise<Environment> {
    const { cwd, files, env, envFiles } = this.options;
    // Compose sets it where no shell did.
    const own = new Environment({ PWD: cwd, ...env });
    const [first] = files ?? [];
    const directory = this.#projectDirectory() ?? (first === undefined ? cwd : dirname(resolve(cwd, first)));
    const given = givenEnvFiles(envFiles, own, cwd) ?? (await defaultEnvFiles(directory));
    return own.withFiles(given, this.#run.reader, this.#problems.report);
  }

  /** Files found in a directory above have the `.env` there too, below the one of here. */
  async #withDefaultEnvFile(environment: Environment, directory: string): Promise<Environment> {
    const { cwd, env, envFiles } = this.options;
    const given = givenEnvFiles(envFiles, new Environment(env), cwd);
    if (given) return environment;
    return environment.withFiles(await defaultEnvFiles(directory), this.#run.reader, this.#problems.report);
  }

  #profiles(environment: Environment): readonly string[] {
    const { profiles } = this.options;
    if (profiles && profiles.length > 0) return profiles;
    const named = (environment.get("COMPOSE_PROFILES") ?? "").split(",").map((profile) => profile.trim());
    return named.filter((profile) => profile !== "");
  }

  async #name(
    files: readonly string[],
    directory: string,
    environment: Environment,
  ): Promise<{ readonly name: string; readonly from: ComposeProject["nameFrom"] }> {
    const option = this.options.name || undefined;
    const given = option ?? (environment.get("COMPOSE_PROJECT_NAME") || undefined);
    if (given !== undefined) {
      if (normalizeName(given) === given) return { name: given, from: option ? "option" : "environment" };
      throw new DevloopError("COMPOSE_INVALID", `"${given}" cannot be a project's name`, {
        hint: "names have lower-case letters, digits, hyphens and underscores, and begin with a letter or digit",
      });
    }
    const written = await this.#writtenName(files, environment);
    const name = written ?? (await directoryName(directory));
    if (name !== "") return { name, from: written === undefined ? "directory" : "file" };
    throw new DevloopError("COMPOSE_INVALID", "the project has no name", {
      hint: "set name in the compose file, or COMPOSE_PROJECT_NAME",
    });
  }

  /** What the last `name` in the files says; undefined when there is none. */
  async #writtenName(files: readonly string[], environment: Environment): Promise<string | undefined> {
    let last: Entry | undefined;
    for (const [layer, file] of files.entries()) {
      const source = await this.#run.reader.read(file);
      // Parsing a large file twice is dear, and few have a name.
      if (!/(?:^|[{,])\s*["']?name\b/m.test(source.text)) continue;
      const visit: Visit = { source, layer, via: [] };
      const ignore = (): void => undefined;
      // What is wrong with the files is told when they are read as a whole.
      for (const { root } of readDocuments(visit, ignore, ignore)) {
        const entry = getEntry(root, "name");
        if (textOf(entry?.value)) last = entry;
      }
    }
    if (!last) return undefined;
    const { text, failures } = substitute(textOf(last.value) ?? "", environment.lookup);
    for (const { message, hint } of failures) this.#problems.report(last.value.place, message, hint);
    this.#problems.throwIfAny();
    return normalizeName(text);
  }

  async #resolved(
    services: ReadonlyMap<string, MapNode>,
    environment: Environment,
    optional: boolean,
  ): Promise<ReadonlyMap<string, MapNode>> {
    const resolved = new Map<string, MapNode>();
    for (const [name, service] of services) {
      const watched = await withRealWatchPaths(withScale(service));
      resolved.set(name, await resolveServiceFiles(watched, environment, this.#run, optional));
    }
    return resolved;
  }

  #build(
    root: MapNode,
    { enabled, disabled }: Split,
  ): Omit<ComposeProject, "name" | "nameFrom" | "directory" | "files" | "filesRead" | "profiles"> {
    const builder = new ModelBuilder(this.#problems.report, this.#absorb);
    const keyOf = (kind: string, name: string): Entry | undefined => getEntry(get(root, kind), name);
    const services = (from: ReadonlyMap<string, MapNode>, at: string): Record<string, ComposeService> =>
      Object.fromEntries(
        [...from].map(([name, value]) => {
          const key = keyOf("services", name)?.key ?? value.place;
          return [name, builder.build({ key, value }, serviceShape, [at, name]) as ComposeService];
        }),
      );
    const resources = <T>(kind: string, shape: Shape): Record<string, T> =>
      Object.fromEntries(
        [...entriesOf(get(root, kind))].map(([name, entry]) => [
          name,
          (builder.build(entry, shape, [kind, name]) ?? {}) as T,
        ]),
      );
    const extensions = [...root.entries].filter(([name]) => name.startsWith("x-"));
    for (const [name, entry] of root.entries) {
      if (!name.startsWith("x-")) builder.section(entry, [name]);
      if (name === "name") this.#absorb([name], entry.key, "applied");
    }
    return {
      services: services(enabled, "services"),
      disabledServices: services(disabled, "disabledServices"),
      networks: resources("networks", networkShape),
      volumes: resources("volumes", volumeShape),
      configs: resources("configs", configShape),
      secrets: resources("secrets", secretShape),
      models: resources("models", modelShape),
      extensions: Object.fromEntries(
        extensions.map(([name, entry]) => [name, builder.build(entry, any, ["extensions", name])]),
      ),
      origins: builder.origins,
      absorbed: this.#absorbed,
      unset: this.#unset,
    };
  }
}

/** Services without profiles are on, others when one of theirs was asked for. */
function splitByProfiles(root: MapNode, profiles: readonly string[]): Split {
  const enabled = new Map<string, MapNode>();
  const disabled = new Map<string, MapNode>();
  for (const [name, { value }] of entriesOf(get(root, "services"))) {
    if (value.kind !== "map") continue;
    const own = itemsOf(get(value, "profiles")).map((profile: Node) => textOf(profile) ?? "");
    const on =
      own.length === 0 || profiles.includes("*") || own.some((profile) => profiles.includes(profile));
    (on ? enabled : disabled).set(name, value);
  }
  return { enabled, disabled };
}

/** `scale` counts for `deploy.replicas` too. */
function withScale(service: MapNode): MapNode {
  const [scale, deploy] = [get(service, "scale"), get(service, "deploy")];
  if (scale?.kind !== "scalar" || deploy?.kind !== "map") return service;
  return withEntry(
    service,
    "deploy",
    withEntry(deploy, "replicas", numberNode(Number(scale.text), scale.place)),
  );
}
