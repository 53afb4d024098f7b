import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DevloopError } from "../lib/errors.js";

/** Where the container engine is, and how to speak to it. */
export interface EngineEndpoint {
  /** For messages: `unix:///var/run/docker.sock`, `tcp://10.0.0.5:2376`. */
  readonly address: string;
  /** What named it: `DOCKER_HOST`, `context colima`, `default`. */
  readonly source: string;
  readonly connection: EngineConnection;
}
export type EngineConnection =
  /** A Unix socket or, on Windows, a named pipe. */
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: EngineTls }
  | { readonly kind: "ssh"; readonly host: string; readonly port: number; readonly username?: string };
/** PEM texts; `verify: false` takes any server certificate. */
export interface EngineTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the engine as the docker command does: DOCKER_HOST, DOCKER_CONTEXT, the current context of config.json; else
 * the first socket that exists of Docker, rootless Docker, Docker Desktop, Colima and Podman.
 * Throws ENGINE_UNREACHABLE for a context or certificate that is not there, USAGE for an address it cannot read.
 */
export function findEngine(env: Environment, { home }: { readonly home: string }): EngineEndpoint {
  const configDirectory = dockerConfigDirectory(env, home);
  if (env["DOCKER_HOST"]) {
    return {
      source: "DOCKER_HOST",
      ...parseAddress(env["DOCKER_HOST"], "DOCKER_HOST", () => tlsFromEnvironment(env, configDirectory)),
    };
  }
  const [name, origin] = env["DOCKER_CONTEXT"]
    ? [env["DOCKER_CONTEXT"], "DOCKER_CONTEXT"]
    : [currentContext(configDirectory), join(configDirectory, "config.json")];
  if (name !== undefined && name !== "default") return contextEndpoint(configDirectory, name, origin);
  const path = localSockets(env, home)[0] ?? defaultSocket();
  return { address: socketAddress(path), source: "default", connection: { kind: "socket", path } };
}

/** The folder of docker's config.json: DOCKER_CONFIG, else ~/.docker. */
export function dockerConfigDirectory(env: Environment, home: string): string {
  return env["DOCKER_CONFIG"] ? env["DOCKER_CONFIG"] : join(home, ".docker");
}

function defaultSocket(): string {
  return process.platform === "win32" ? "//./pipe/docker_engine" : "/var/run/docker.sock";
}

/** The sockets that are there of Docker, rootless Docker, Docker Desktop, Colima, Rancher Desktop and Podman, in this order. */
export function localSockets(env: Environment, home: string): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  const known = [
    defaultSocket(),
    ...(runtime ? [join(runtime, "docker.sock")] : []),
    join(home, ".docker/run/docker.sock"),
    join(home, ".docker/desktop/docker.sock"),
    join(home, ".colima/default/docker.sock"),
    join(home, ".config/colima/default/docker.sock"),
    join(home, ".rd/docker.sock"),
    ...(runtime ? [join(runtime, "podman/podman.sock")] : []),
    "/run/podman/podman.sock",
  ];
  return known.filter((path) => existsSync(path));
}

function socketAddress(path: string): string {
  return process.platform === "win32" ? `npipe://${path}` : `unix://${path}`;
}

function parseAddress(
  text: string,
  origin: string,
  tls: () => EngineTls | undefined,
): Pick<EngineEndpoint, "address" | "connection"> {
  const socket = /^(?:unix|npipe):\/\/(.*)$/.exec(text);
  if (socket) {
    const path = socket[1] === undefined || socket[1] === "" ? defaultSocket() : socket[1];
    return { address: text, connection: { kind: "socket", path } };
  }
  const url = parseUrl(text.includes("://") ? text : `tcp://${text}`);
  if (url && ["tcp:", "http:", "https:"].includes(url.protocol)) {
    const settings = tls() ?? (url.protocol === "https:" ? { verify: true } : undefined);
    return {
      address: text,
      connection: {
        kind: "tcp",
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: Number(url.port || (settings ? 2376 : 2375)),
        ...(settings ? { tls: settings } : {}),
      },
    };
  }
  if (url?.protocol === "ssh:") {
    return {
      address: text,
      connection: {
        kind: "ssh",
        host: url.hostname,
        port: Number(url.port || 22),
        ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
      },
    };
  }
  throw new DevloopError("USAGE", `${origin} is not an engine's address: ${text}`, {
    hint: "write it like unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host",
  });
}

function parseUrl(text: string): URL | undefined {
  // URL reads hosts only for the protocols it knows.
  return URL.canParse(text) ? new URL(text) : undefined;
}

function tlsFromEnvironment(env: Environment, configDirectory: string): EngineTls | undefined {
  const verify = Boolean(env["DOCKER_TLS_VERIFY"]);
  if (!verify && !env["DOCKER_TLS"]) return undefined;
  return readTls(env["DOCKER_CERT_PATH"] ? env["DOCKER_CERT_PATH"] : configDirectory, verify);
}

function readTls(directory: string, verify: boolean): EngineTls {
  const read = (name: string): string | undefined => {
    const path = join(directory, name);
    return existsSync(path) ? readConfig(path) : undefined;
  };
  const [ca, cert, key] = [read("ca.pem"), read("cert.pem"), read("key.pem")];
  return {
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

// null stands for nothing: the docker command takes it so.
const configFile = z.object({ currentContext: z.string().nullish() }).nullable();

function currentContext(directory: string): string | undefined {
  const path = join(directory, "config.json");
  if (!existsSync(path)) return undefined;
  return parseJson(path, configFile)?.currentContext || undefined;
}

const contextMeta = z.object({
  Endpoints: z.object({
    docker: z.object({ Host: z.string().default(""), SkipTLSVerify: z.boolean().default(false) }),
  }),
});

function contextEndpoint(directory: string, name: string, origin: string): EngineEndpoint {
  const id = createHash("sha256").update(name).digest("hex");
  const path = join(directory, "contexts/meta", id, "meta.json");
  if (!existsSync(path)) {
    throw new DevloopError(
      "ENGINE_UNREACHABLE",
      `the docker context ${name} that ${origin} names does not exist`,
      {
        hint: "docker context ls shows those that do; docker context use default",
      },
    );
  }
  const { Host, SkipTLSVerify } = parseJson(path, contextMeta).Endpoints.docker;
  const tlsDirectory = join(directory, "contexts/tls", id, "docker");
  const tls = (): EngineTls | undefined =>
    existsSync(tlsDirectory) || SkipTLSVerify ? readTls(tlsDirectory, !SkipTLSVerify) : undefined;
  return {
    source: `context ${name}`,
    ...parseAddress(Host === "" ? socketAddress(defaultSocket()) : Host, `docker context ${name}`, tls),
  };
}

function parseJson<T>(path: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(readConfig(path)));
  } catch (error) {
    if (error instanceof DevloopError) throw error;
    throw new DevloopError("ENGINE_UNREACHABLE", `${path} cannot be understood`, {
      cause: error,
      hint: "set DOCKER_HOST to go round it",
    });
  }
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new DevloopError("ENGINE_UNREACHABLE", `${path} cannot be read`, { cause: error });
  }
}
