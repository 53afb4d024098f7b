import type { ComposeProject } from "../../../src/migrate/compose/model.js";
import { configShape, networkShape, secretShape, volumeShape } from "../../../src/migrate/compose/schema.js";
import { serviceShape } from "../../../src/migrate/compose/schema-service.js";
import type { MapShape, Shape } from "../../../src/migrate/compose/shape.js";

// The model as `docker compose config --format json` prints it: values of Go's zero left out but for those behind a
// pointer, sizes and times as text, no extensions below the top level, no env files, nothing that no service uses.

type Plain = Record<string, unknown>;

/** Kept when they are zero: Compose tells them apart from what is not given. */
const pointers = new Set([
  ...["attach", "init", "enable_ipv4", "enable_ipv6", "required"],
  ...["replicas", "retries", "parallelism", "max_attempts", "scale"],
  ...["interval", "timeout", "start_period", "start_interval", "stop_grace_period", "window"],
]);
/** Read, and told in other keys, or unknown to the version that is compared with. */
const leftOut = new Set(["env_file", "label_file", "pull_refresh_after"]);
/** Compose prints the fields of these as Go has them. */
const goFields: Readonly<Record<string, string>> = { path: "Path", rate: "Rate", weight: "Weight" };

export function toConfigJson(project: ComposeProject): Plain {
  const services = Object.values(project.services);
  const used = (names: readonly (string | undefined)[]): Set<string | undefined> => new Set(names);
  const resources: readonly [string, Readonly<Record<string, object>>, MapShape, Set<string | undefined>][] =
    [
      [
        "networks",
        project.networks,
        networkShape,
        used(services.flatMap((each) => Object.keys(each.networks ?? {}))),
      ],
      [
        "volumes",
        project.volumes,
        volumeShape,
        used(
          services.flatMap((each) =>
            (each.volumes ?? []).filter(({ type }) => type === "volume").map(({ source }) => source),
          ),
        ),
      ],
      [
        "secrets",
        project.secrets,
        secretShape,
        used(
          services.flatMap((each) =>
            [...(each.secrets ?? []), ...(each.build?.secrets ?? [])].map(({ source }) => source),
          ),
        ),
      ],
      [
        "configs",
        project.configs,
        configShape,
        used(services.flatMap((each) => (each.configs ?? []).map(({ source }) => source))),
      ],
    ];
  const printed = resources.map(([kind, all, shape, names]): readonly [string, Plain] => {
    const kept = Object.entries(all).filter(([name]) => names.has(name));
    return [
      kind,
      Object.fromEntries(kept.map(([name, each]) => [name, printResource(kind, each as Plain, shape)])),
    ];
  });
  return {
    name: project.name,
    services: mapValues(project.services, printService),
    ...Object.fromEntries(printed.filter(([, all]) => Object.keys(all).length > 0)),
    ...project.extensions,
  };
}

function printService(service: object): Plain {
  const printed = print(service, serviceShape, "") as Plain;
  if ("deploy" in printed)
    printed["deploy"] = { resources: {}, placement: {}, ...(printed["deploy"] as Plain) };
  for (const [name, each] of Object.entries((printed["blkio_config"] ?? {}) as Plain)) {
    if (Array.isArray(each)) (printed["blkio_config"] as Plain)[name] = each.map(renamed);
  }
  const develop = printed["develop"] as { watch?: Plain[] } | undefined;
  for (const rule of develop?.watch ?? [])
    rule["exec"] = { command: null, ...(rule["exec"] as Plain | undefined) };
  for (const hook of ["post_start", "pre_stop"]) {
    for (const each of (printed[hook] as Plain[] | undefined) ?? []) each["command"] ??= null;
  }
  return { command: null, entrypoint: null, ...printed };
}

function renamed(value: Plain): Plain {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [goFields[name] ?? name, each]));
}

function printResource(kind: string, resource: Plain, shape: MapShape): Plain {
  const { content, ...rest } = print(resource, shape, "") as Plain;
  // Read by the specification, and not by Compose.
  const ipam = { ...(rest["ipam"] as Plain | undefined) };
  delete ipam["options"];
  const hidden = kind === "secrets" || resource["environment"] !== undefined;
  return {
    ...rest,
    ...(kind === "networks" ? { ipam } : {}),
    ...(hidden || content === undefined ? {} : { content }),
  };
}

/** Undefined: left out. */
function print(value: unknown, shape: Shape, key: string, parent = ""): unknown {
  switch (shape.kind) {
    case "map":
      return Object.fromEntries(
        Object.entries(value as Plain)
          .filter(([name]) => !name.startsWith("x-") && !leftOut.has(name))
          .map(([name, each]) => [name, print(each, shape.keys[name] ?? { kind: "any" }, name, key)] as const)
          .filter(([, each]) => each !== undefined),
      );
    case "choice": {
      const isMap = typeof value === "object" && !Array.isArray(value);
      const fitting = shape.of.find((other) =>
        isMap ? other.kind === "map" : (other.kind === "list") === Array.isArray(value),
      );
      return fitting && print(value, fitting, key);
    }
    case "dict":
      return unlessEmpty(
        mapValues(value as Plain, (each) => (each === null ? null : print(each, shape.of, "*"))),
      );
    case "list":
      return unlessEmpty((value as unknown[]).map((each) => print(each, shape.of, "*")));
    case "pairs":
      if (key === "ssh") return Object.keys(value as Plain);
      return unlessEmpty(value as Plain);
    case "hosts":
      return unlessEmpty(
        Object.entries(value as Record<string, string[]>)
          .flatMap(([host, addresses]) => addresses.map((address) => `${host}=${address}`))
          .sort(),
      );
    case "command":
    case "any":
      return value;
    case "bytes":
      return value === 0 ? undefined : String(value);
    case "duration":
      return value === 0 && !pointers.has(key) ? undefined : goDuration(value as number);
    case "mode":
      // Of a tmpfs it is a number.
      return parent === "tmpfs" ? value : `0${(value as number).toString(8)}`;
    default:
      return value === 0 || value === "" || value === false
        ? pointers.has(key) || key === "*"
          ? value
          : undefined
        : value;
  }
}

function unlessEmpty<T extends object>(value: T): T | undefined {
  return Object.keys(value).length === 0 ? undefined : value;
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** Milliseconds as Go writes a duration: `1m30.5s`. */
export function goDuration(milliseconds: number): string {
  const nanoseconds = Math.round(milliseconds * 1e6);
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const seconds = nanoseconds / 1e9;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = `${Math.round((seconds % 60) * 1e9) / 1e9}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
