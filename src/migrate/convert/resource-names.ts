import { basename } from "node:path";
import type { ComposeProject } from "../compose/model.js";
import { allServices } from "./images.js";
import { dnsName, freeName } from "./names.js";

/** Names of what services mount and read, each used once in the project. */
export interface ResourceNames {
  /** By keys of the project: of claims, ConfigMaps and Secrets. */
  readonly volumes: ReadonlyMap<string, string>;
  readonly configs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
  /** By absolute path. */
  readonly envFiles: ReadonlyMap<string, string>;
  /** Of what takes a bind's place, by `bindKey`. */
  readonly binds: ReadonlyMap<string, string>;
}

export const bindKey = (service: string, index: number): string => `${service}/${index}`;

/** The Secret of what looks secret in a service's environment. */
export const secretsName = (service: string): string => `${service.slice(0, 55)}-secrets`;

/** The pod's volume that holds all secrets, and that of /dev/shm. */
export const secretsVolume = "secrets";
export const sharedMemoryVolume = "shm";

export function resourceNames(project: ComposeProject, services: ReadonlyMap<string, string>): ResourceNames {
  const taken = new Set([secretsVolume, sharedMemoryVolume, ...[...services.values()].map(secretsName)]);
  const unique = (keys: readonly string[], nameOf: (key: string) => string): ReadonlyMap<string, string> =>
    new Map(
      keys.map((key) => {
        // Volumes of pods that have no name of their own are numbered: tmpfs-0.
        const wanted = nameOf(key).replace(/^(volume|tmpfs|host|device)-(?=\d+$)/, "$1-data-");
        const name = freeName(wanted, taken);
        taken.add(name);
        return [key, name];
      }),
    );
  const all = allServices(project);
  const own = Object.entries(project.volumes).filter(([, volume]) => !volume.external);
  const external = Object.entries(project.volumes).filter(([, volume]) => volume.external);
  const envFiles = new Set(all.flatMap(([, service]) => (service.env_file ?? []).map(({ path }) => path)));
  const binds = new Map(
    all.flatMap(([key, service]) =>
      (service.volumes ?? []).flatMap(({ type, source }, index) =>
        type === "bind"
          ? [[bindKey(key, index), dnsName(`${services.get(key) ?? key}-${basename(source ?? "")}`)] as const]
          : [],
      ),
    ),
  );
  return {
    volumes: new Map([
      ...unique(
        own.map(([key]) => key),
        (key) => dnsName(key),
      ),
      // Made by somebody else: the name is what it is.
      ...external.map(([key, { name }]) => [key, dnsName(name ?? key)] as const),
    ]),
    configs: unique(Object.keys(project.configs), (key) => dnsName(`config-${key}`)),
    secrets: unique(Object.keys(project.secrets), (key) => dnsName(`secret-${key}`)),
    envFiles: unique([...envFiles], envFileName),
    binds: unique([...binds.keys()], (key) => binds.get(key) ?? "files"),
  };
}

/** `.env` is env, `web.env` is web-env. */
function envFileName(path: string): string {
  return dnsName(basename(path).replace(/^\.+/, "").replaceAll(".", "-"), "env");
}
