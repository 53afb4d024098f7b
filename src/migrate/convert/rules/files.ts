import { basename, posix } from "node:path";
import type { ComposeConfig, ComposeSecret, FileMount } from "../../compose/model.js";
import { configKey, dnsName } from "../names.js";
import { secretsVolume } from "../resource-names.js";
import { mergeParts, type Generator, type Part, type ServiceView } from "../plan.js";
import { noted, type Tree, type TreeMap } from "../tree.js";

/** Where Compose puts secrets unless told otherwise. */
const secretsDirectory = "/run/secrets";
/** Permission bits that Docker gives: read for all. */
const readForAll = 0o444;

/** `configs` and `secrets` of a service; what they are stands under the project's keys (project.ts). */
export function filesRule(view: ServiceView): Part {
  return mergeParts([...configParts(view), secretsPart(view)]);
}

function configParts(view: ServiceView): readonly Part[] {
  return (view.service.configs ?? []).map((mount, index): Part => {
    const definition = view.project.configs[mount.source];
    const name = view.names.configs.get(mount.source) ?? dnsName(mount.source);
    const key = keyOf(mount.source, definition);
    const target = absolute(mount.target ?? `/${mount.source}`, "/");
    sayMount(
      view,
      "configs",
      index,
      mount,
      `ConfigMap ${objectName(name, definition)}, mounted at ${target}`,
    );
    const volume = {
      name: dnsName(`config-${mount.source}-${index}`),
      configMap: {
        name: objectName(name, definition),
        defaultMode: modeOf(mount.mode ?? readForAll),
        items: [{ key, path: posix.basename(target) }],
      },
    };
    const content = contentOf(view, definition);
    return {
      volumes: [volume],
      // By itself, so that what else is in that directory stays.
      mounts: [{ name: volume.name, mountPath: target, subPath: posix.basename(target), readOnly: true }],
      generators:
        content === undefined || definition?.external ? [] : [generator("ConfigMap", name, key, content)],
    };
  });
}

/** All secrets below /run/secrets are one projected volume; others are mounted file by file. */
function secretsPart(view: ServiceView): Part {
  const given = (view.service.secrets ?? []).map((mount, index) => {
    const definition = view.project.secrets[mount.source];
    const name = view.names.secrets.get(mount.source) ?? dnsName(mount.source);
    const target = absolute(mount.target ?? mount.source, secretsDirectory);
    const secret = {
      mount,
      index,
      name: objectName(name, definition),
      key: keyOf(mount.source, definition),
      target,
    };
    sayMount(view, "secrets", index, mount, `Secret ${secret.name}, mounted at ${target}`);
    const content = contentOf(view, definition);
    const generators =
      content === undefined || definition?.external ? [] : [generator("Secret", name, secret.key, content)];
    return { ...secret, generators };
  });
  const generators = given.flatMap((secret) => secret.generators);
  const projected = given.filter(({ target }) => posix.dirname(target) === secretsDirectory);
  const single = given.filter((secret) => !projected.includes(secret));
  const parts = single.map(({ mount, index, name, key, target }): Part => {
    const volume = dnsName(`secret-${mount.source}-${index}`);
    const items = [{ key, path: posix.basename(target) }];
    return {
      volumes: [
        { name: volume, secret: { secretName: name, defaultMode: modeOf(mount.mode ?? readForAll), items } },
      ],
      mounts: [{ name: volume, mountPath: target, subPath: posix.basename(target), readOnly: true }],
    };
  });
  if (projected.length > 0) parts.push(projectedPart(projected));
  return { ...mergeParts(parts), generators };
}

function projectedPart(
  secrets: readonly {
    readonly mount: FileMount;
    readonly name: string;
    readonly key: string;
    readonly target: string;
  }[],
): Part {
  const sources = secrets.map(({ mount, name, key, target }): TreeMap => ({
    secret: {
      name,
      items: [
        {
          key,
          path: posix.basename(target),
          mode: mount.mode === undefined ? undefined : modeOf(mount.mode),
        },
      ],
    },
  }));
  const volume: Tree = noted("All secrets in one directory, where Compose has them.", {
    defaultMode: modeOf(readForAll),
    sources,
  });
  return {
    volumes: [{ name: secretsVolume, projected: volume }],
    mounts: [{ name: secretsVolume, mountPath: secretsDirectory, readOnly: true }],
  };
}

function generator(kind: Generator["kind"], name: string, key: string, content: Uint8Array): Generator {
  return { kind, name, files: new Map([[key, content]]) };
}

/** External ones are made by somebody else, under their own name. */
function objectName(name: string, definition: ComposeConfig | ComposeSecret | undefined): string {
  return definition?.external ? dnsName(definition.name ?? name) : name;
}

function keyOf(source: string, definition: ComposeConfig | ComposeSecret | undefined): string {
  return configKey(definition?.file === undefined ? source : basename(definition.file));
}

function contentOf(
  { sources }: ServiceView,
  definition: ComposeConfig | ComposeSecret | undefined,
): Uint8Array | undefined {
  if (definition === undefined) return undefined;
  const text = "content" in definition ? definition.content : undefined;
  if (text !== undefined) return Buffer.from(text);
  if (definition.environment !== undefined)
    return Buffer.from(sources.variable(definition.environment) ?? "");
  const fact = definition.file === undefined ? undefined : sources.fact(definition.file);
  return fact?.kind === "file" ? fact.content : undefined;
}

const absolute = (target: string, directory: string): string =>
  posix.normalize(posix.resolve(directory, target));

function sayMount(
  view: ServiceView,
  kind: "configs" | "secrets",
  index: number,
  mount: FileMount,
  text: string,
): void {
  view.say("converted", [kind, index], text);
  view.say("converted", [kind, index, "source"], text);
  if (mount.target !== undefined) view.say("converted", [kind, index, "target"], text);
  if (mount.mode !== undefined) view.say("converted", [kind, index, "mode"], "mode of the file");
  for (const key of ["uid", "gid"] as const) {
    if (mount[key] !== undefined)
      view.say(
        "approximated",
        [kind, index, key],
        "files of volumes belong to root: mode decides who reads them, and the pod's fsGroup",
      );
  }
}

/** Permission bits as the API has them: a decimal number, so the octal one stands beside it. */
function modeOf(bits: number): Tree {
  return noted(`0${bits.toString(8)}`, bits);
}
