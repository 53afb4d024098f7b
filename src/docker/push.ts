import {
  engineUnreachable,
  type FindCredential,
  type RegistryCredential,
} from "../engine/container-engine.js";
import { DevloopError } from "../lib/errors.js";
import { jsonLines } from "../lib/json-lines.js";
import type { EngineApi } from "./dial.js";

/** Pushes an image to the registry in its name. Throws LOAD_FAILED with the registry's words. */
export async function pushImage(
  api: EngineApi,
  options: {
    readonly name: string;
    readonly tag: string;
    readonly credentials: FindCredential | undefined;
    readonly signal: AbortSignal;
    readonly address: string;
  },
): Promise<void> {
  const { name, tag, credentials, signal } = options;
  const host = registryHost(name);
  const credential = await credentials?.(host, { signal });
  const answer = await api.stream("POST", `/images/${name}/push`, {
    signal,
    query: { tag },
    // The engine wants the header even when there is nothing to say.
    headers: { "X-Registry-Auth": encodeAuth(host, credential) },
  });
  try {
    for await (const line of jsonLines(answer)) {
      const { error } = line as { error?: unknown };
      if (typeof error === "string") throw refused(`${name}:${tag}`, host, error);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw engineUnreachable(options.address, error) ?? error;
  }
}

/** `localhost:5000/web` is kept there; a first part without dot, colon or `localhost` is a name on Docker Hub. */
export function registryHost(name: string): string {
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? first : "docker.io";
}

export function encodeAuth(host: string, credential: RegistryCredential | undefined): string {
  const serveraddress = host === "docker.io" ? "https://index.docker.io/v1/" : host;
  const fields =
    credential === undefined
      ? {}
      : credential.kind === "token"
        ? { identitytoken: credential.identityToken, serveraddress }
        : { username: credential.username, password: credential.password, serveraddress };
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

function refused(ref: string, host: string, words: string): DevloopError {
  const denied = /denied|unauthorized|authentication|no basic auth/i.test(words);
  return new DevloopError("LOAD_FAILED", `${ref} could not be pushed: ${words}`, {
    hint: denied ? `docker login ${host}` : `does the registry at ${host} answer from the container engine?`,
  });
}
