import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { FindCredential, RegistryCredential } from "../engine/container-engine.js";
import { DevloopError } from "../lib/errors.js";
import { runTool } from "../lib/run-tool.js";
import { dockerConfigDirectory } from "./endpoint.js";

/**
 * Looks registry credentials up where the docker command keeps them: a helper of its own for the registry, the store
 * for all of them, else the file. It is read anew each time, so that a `docker login` counts at once.
 * Throws TOOL_MISSING or TOOL_FAILED when the configured helper is not there or fails, CONFIG_INVALID for a broken file.
 */
export function dockerCredentials(
  env: Readonly<Record<string, string | undefined>>,
  { home }: { readonly home: string },
): FindCredential {
  const path = join(dockerConfigDirectory(env, home), "config.json");
  return async (host, { signal }) => {
    const config = await readDockerConfig(path, signal);
    const keys = hostKeys(host);
    const helper = keys.map((key) => config?.credHelpers?.[key]).find(Boolean) ?? config?.credsStore;
    if (helper) {
      const found = await askHelper(helper, keys, env, signal);
      if (found) return found;
    }
    const entry = Object.entries(config?.auths ?? {}).find(
      ([key]) => keys.includes(key) || keys.includes(hostOf(key)),
    );
    return entry && fromEntry(entry[1]);
  };
}

/** Docker Hub goes by several names; its logins are kept under the oldest. */
function hostKeys(host: string): readonly string[] {
  const hub = ["docker.io", "index.docker.io", "registry-1.docker.io"];
  return hub.includes(host) ? ["https://index.docker.io/v1/", ...hub] : [host, `https://${host}`];
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

const authEntry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
// null stands for nothing: the docker command takes it so.
const dockerConfig = z
  .object({
    auths: z.record(z.string(), authEntry).nullish(),
    credHelpers: z.record(z.string(), z.string()).nullish(),
    credsStore: z.string().nullish(),
  })
  .nullable();

async function readDockerConfig(path: string, signal: AbortSignal): Promise<z.infer<typeof dockerConfig>> {
  let text: string;
  try {
    text = await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new DevloopError("CONFIG_INVALID", `${path} cannot be read`, { cause: error });
  }
  try {
    return dockerConfig.parse(JSON.parse(text));
  } catch (error) {
    throw new DevloopError("CONFIG_INVALID", `${path} cannot be understood`, {
      cause: error,
      hint: "docker login writes it anew",
    });
  }
}

function fromEntry(entry: z.infer<typeof authEntry>): RegistryCredential | undefined {
  if (entry.identitytoken) return { kind: "token", identityToken: entry.identitytoken };
  if (entry.auth) {
    const text = Buffer.from(entry.auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    // A NUL may stand at the end: docker pads some of them.
    if (colon > 0) {
      return {
        kind: "password",
        username: text.slice(0, colon),
        password: text.slice(colon + 1).replace(/\0+$/, ""),
      };
    }
  }
  if (entry.username && entry.password) {
    return { kind: "password", username: entry.username, password: entry.password };
  }
  return undefined;
}

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });

async function askHelper(
  helper: string,
  keys: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<RegistryCredential | undefined> {
  const path = env["PATH"];
  for (const key of keys) {
    const options = { signal, input: key, ...(path === undefined ? {} : { env: { PATH: path } }) };
    let answer: string;
    try {
      answer = await runTool(`docker-credential-${helper}`, ["get"], options);
    } catch (error) {
      if (isNotFound(error)) continue;
      throw error;
    }
    const { Username, Secret } = helperAnswer.parse(JSON.parse(answer));
    return Username === "<token>"
      ? { kind: "token", identityToken: Secret }
      : { kind: "password", username: Username, password: Secret };
  }
  return undefined;
}

/** Helpers say on standard output that they have nothing for a registry, and exit non-zero. */
function isNotFound(error: unknown): boolean {
  if (!(error instanceof DevloopError) || error.code !== "TOOL_FAILED") return false;
  const { stdout = "" } = error.cause as { stdout?: string };
  return /credentials not found/i.test(`${stdout}\n${error.detail ?? ""}`);
}
