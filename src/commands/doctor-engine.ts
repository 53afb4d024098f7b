import { constants, existsSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { dockerConfigDirectory, localSockets, type EngineEndpoint } from "../docker/endpoint.js";
import { DevloopError, errorText } from "../lib/errors.js";
import { atLeast } from "../lib/node-version.js";
import { toolVersion, type Check, type ToolOptions } from "./doctor-checks.js";
import { installCommand, packageManager, startEngineCommand } from "./install-commands.js";

/** BuildKit is part of Docker's engine since 18.09; devloop is kept working with 20.10 (API 1.41) and newer. */
export function checkBuildKit(engine: {
  readonly version: string;
  readonly apiVersion: string;
  readonly product: string;
}): Check {
  const name = "buildkit";
  if (/podman/i.test(engine.product)) {
    const fix = "point DOCKER_HOST at a Docker engine";
    return { name, status: "fail", message: `${engine.product} has no BuildKit`, fix };
  }
  const fix = "install Docker 20.10 or newer: https://docs.docker.com/engine/install";
  if (!atLeast(engine.apiVersion, [1, 39])) {
    return { name, status: "fail", message: `Docker ${engine.version} has no BuildKit`, fix };
  }
  if (!atLeast(engine.apiVersion, [1, 41])) {
    return {
      name,
      status: "warn",
      message: `part of Docker ${engine.version}, which is older than 20.10`,
      fix,
    };
  }
  return { name, status: "ok", message: `part of the engine (API ${engine.apiVersion})` };
}

/**
 * Why an engine does not answer, with the command that ends it: one that is not installed is installed, one that is there is
 * started, and an address that leads nowhere while an engine answers elsewhere is taken back. `endpoint` is left out where
 * none could be told. The rest the error itself tells: rights, certificates, a context that is not there.
 */
export async function judgeEngineFailure(
  error: unknown,
  {
    endpoint,
    home,
    ...options
  }: ToolOptions & { readonly endpoint?: EngineEndpoint | undefined; readonly home: string },
): Promise<Check> {
  const message = errorText(error);
  const { code, syscall } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  const nobodyThere = syscall === "connect" && (code === "ENOENT" || code === "ECONNREFUSED");
  const hint = error instanceof DevloopError ? error.hint : undefined;
  const told: Check = { name: "engine", status: "fail", message, ...(hint ? { fix: hint } : {}) };
  if (!nobodyThere) return told;
  const { connection, source } = endpoint ?? {};
  const path = connection?.kind === "socket" ? connection.path : undefined;
  const product = path === undefined ? undefined : startProduct(path, options.env);
  if (source !== undefined && source !== "default") {
    const other = await firstAnswering(localSockets(options.env, home).filter((each) => each !== path));
    const back = source === "DOCKER_HOST" ? "unset DOCKER_HOST" : "docker context use default";
    const there = other === undefined ? undefined : `an engine answers at ${other}`;
    if (product !== undefined)
      return { ...told, fix: there === undefined ? product : `${product}   (or ${back}: ${there})` };
    return there === undefined ? told : { ...told, fix: `${back}   (${there})` };
  }
  if (product !== undefined) return { ...told, fix: product };
  const manager = await packageManager();
  const daemon = process.platform === "linux" ? "dockerd" : "docker";
  const { problem } = await toolVersion(daemon, ["--version"], options);
  const systemd = existsSync("/run/systemd/system");
  return {
    ...told,
    fix: problem === undefined ? startEngineCommand(manager, { systemd }) : installCommand("engine", manager),
  };
}

/** What starts the program whose socket this is; undefined for the system's own. */
function startProduct(path: string, env: ToolOptions["env"]): string | undefined {
  const runtime = env["XDG_RUNTIME_DIR"];
  if (path.includes("/.colima/") || path.includes("/colima/")) return "colima start";
  if (path.includes("/.rd/")) return "rdctl start   (or open Rancher Desktop)";
  if (path.includes("/.docker/")) return "docker desktop start   (or open Docker Desktop)";
  return runtime && path === join(runtime, "docker.sock") ? "systemctl --user start docker" : undefined;
}

/** The first socket that takes a connection. */
async function firstAnswering(sockets: readonly string[]): Promise<string | undefined> {
  for (const path of sockets) {
    const taken = await new Promise<boolean>((resolve) => {
      const socket = connect(path, () => {
        resolve(true);
        socket.destroy();
      });
      socket.setTimeout(1000, () => socket.destroy(new Error("no answer")));
      socket.on("error", () => {
        resolve(false);
      });
    });
    if (taken) return path;
  }
  return undefined;
}

/** A proxy that this shell knows and the engine does not: what it pulls, and what builds fetch, goes past it. */
export function checkProxy(
  env: ToolOptions["env"],
  engine: { readonly HttpProxy?: string | undefined; readonly HttpsProxy?: string | undefined },
): Check | undefined {
  const variable = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].find((name) => env[name]);
  if (variable === undefined) return undefined;
  if (engine.HttpProxy || engine.HttpsProxy)
    return { name: "proxy", status: "ok", message: `${variable} is set, and the engine has one too` };
  return {
    name: "proxy",
    status: "warn",
    message: `${variable} is set here and the engine has no proxy: pulls and what builds download go past it`,
    fix: 'in /etc/docker/daemon.json: {"proxies": {"http-proxy": "…", "https-proxy": "…"}}, then restart the engine; https://docs.docker.com/engine/daemon/proxy',
  };
}

/** The helpers that docker's config.json asks for credentials: without them a build or a pull fails before it begins. */
export async function checkCredentialHelpers(
  env: ToolOptions["env"],
  { home }: { readonly home: string },
): Promise<Check | undefined> {
  const file = join(dockerConfigDirectory(env, home), "config.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { credsStore, credHelpers } = parsed(text);
  const missing: string[] = [];
  for (const helper of new Set([...(credsStore ? [credsStore] : []), ...Object.values(credHelpers ?? {})]))
    if (!(await isOnPath(`docker-credential-${helper}`, env))) missing.push(helper);
  const [first] = missing;
  if (first === undefined) return undefined;
  return {
    name: "credentials",
    status: "warn",
    message: `${file} names docker-credential-${missing.join(", docker-credential-")}, which is not on PATH: pulls and builds that ask it fail`,
    fix: `install it, or remove ${first === credsStore ? `"credsStore": "${first}"` : "it from credHelpers"} in ${file}, then docker login`,
  };
}

const helpersInConfig = z.object({
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});

/** What reads the file first says that it is broken: that is not told twice. */
function parsed(text: string): Partial<z.infer<typeof helpersInConfig>> {
  try {
    return helpersInConfig.safeParse(JSON.parse(text)).data ?? {};
  } catch {
    return {};
  }
}

async function isOnPath(file: string, env: ToolOptions["env"]): Promise<boolean> {
  const suffix = process.platform === "win32" ? ".exe" : "";
  for (const directory of (env["PATH"] ?? "").split(delimiter)) {
    const found = await access(join(directory, file + suffix), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
