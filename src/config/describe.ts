import { stringify } from "yaml";
import type { LoadedConfig } from "./load.js";
import type { Origin } from "./origins.js";
import { formatPath, type Path } from "./path.js";
import { hidden, looksSecret, madeOfSecrets } from "./secret.js";

/** Column up to which comments are aligned; longer lines carry theirs right behind. */
const widestAligned = 60;

/** The merged configuration as YAML, each value with a comment that says what set it. Ends with a line break. */
export function describeConfig(loaded: LoadedConfig): string {
  const lines = describeValue(publicConfig(loaded), [], loaded);
  const width = Math.max(
    0,
    ...lines.map(({ text, origin }) =>
      origin === undefined || text.length > widestAligned ? 0 : text.length,
    ),
  );
  return lines
    .map(({ text, origin }) => (origin === undefined ? text : `${text.padEnd(width)}  # ${origin}`))
    .map((line) => `${line}\n`)
    .join("");
}

/** The merged configuration as plain data, secret values hidden. */
export function publicConfig({ config, origins }: LoadedConfig): unknown {
  return hideSecrets(config, [], origins);
}

interface Line {
  readonly text: string;
  readonly origin?: string;
}

function describeValue(value: unknown, path: Path, loaded: LoadedConfig): readonly Line[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, index) => {
      const [first, ...rest] = describeEntry(item, "", [...path, index], loaded);
      if (first === undefined) return [];
      return [{ ...first, text: `- ${first.text}` }, ...rest.map(indented)];
    });
  }
  return Object.entries(value as object).flatMap(([name, item]) =>
    describeEntry(item, `${stringify(name, { lineWidth: 0 }).trimEnd()}:`, [...path, name], loaded),
  );
}

/** One key or list item: on one line, or the key's line and what is under it. */
function describeEntry(value: unknown, key: string, path: Path, loaded: LoadedConfig): readonly Line[] {
  if (value === undefined) return [];
  if (isCollection(value) && Object.keys(value).length > 0) {
    const inner = describeValue(value, path, loaded);
    return key === "" ? inner : [{ text: key }, ...inner.map(indented)];
  }
  const text = isCollection(value) ? (Array.isArray(value) ? "[]" : "{}") : scalarText(value);
  const origin = loaded.origins.get(formatPath(path)) ?? { kind: "default" };
  return [{ text: key === "" ? text : `${key} ${text}`, origin: describeOrigin(origin, loaded) }];
}

function indented({ text, ...rest }: Line): Line {
  return { ...rest, text: `  ${text}` };
}

function isCollection(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** On one line whatever the text holds, so that the comment stands behind it. */
function scalarText(value: unknown): string {
  if (typeof value !== "string") return String(value);
  const plain = stringify(value, { lineWidth: 0 }).trimEnd();
  return plain.includes("\n") ? JSON.stringify(value) : plain;
}

function describeOrigin(origin: Origin, { source }: LoadedConfig): string {
  if (origin.kind === "default") return "default";
  const variables = origin.variables?.map(({ name, from }) =>
    from === "default"
      ? `$${name} not set`
      : `$${name} from ${from === "environment" ? "the environment" : from}`,
  );
  const profile = origin.profile === undefined ? "" : ` profile ${origin.profile}`;
  return [`${source.shown}:${origin.line}${profile}`, ...(variables ?? [])].join(", ");
}

function hideSecrets(value: unknown, path: Path, origins: LoadedConfig["origins"]): unknown {
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => hideSecrets(item, [...path, index], origins));
  }
  if (isCollection(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, hideSecrets(item, [...path, name], origins)]),
    );
  }
  return isSecret(path, origins) ? hidden : value;
}

/** Made of a secret variable, or an entry of args, labels or set with a secret's name. */
function isSecret(path: Path, origins: LoadedConfig["origins"]): boolean {
  const origin = origins.get(formatPath(path));
  if (origin?.kind === "file" && madeOfSecrets(origin.variables)) return true;
  const [name, owner] = [path.at(-1), path.at(-2)];
  return (owner === "args" || owner === "labels" || owner === "set") && looksSecret(String(name));
}
