import { addAbortListener } from "node:events";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { PassThrough, type Readable } from "node:stream";
import { inspect } from "node:util";
import Dockerode from "dockerode";
import { z } from "zod";
import {
  type ContainerEngine,
  type EngineContainer,
  type EngineImage,
  type EngineImageEntry,
  EngineStatusError,
  engineUnreachable,
  type FindCredential,
} from "../engine/container-engine.js";
import { type EngineApi, engineApi } from "./dial.js";
import type { EngineConnection, EngineEndpoint } from "./endpoint.js";
import { execIn } from "./exec.js";
import { pushImage } from "./push.js";

/**
 * Opens the engine at an endpoint; nothing is sent yet. `docker` is the same connection, for buildImage.
 * Calls throw ENGINE_UNREACHABLE when the engine does not answer and EngineStatusError when it refuses.
 */
export function connectEngine(
  endpoint: EngineEndpoint,
  { credentials }: { readonly credentials?: FindCredential } = {},
): { engine: ContainerEngine; docker: Dockerode; api: EngineApi } {
  const docker = new Dockerode(modemOptions(endpoint.connection));
  const { address } = endpoint;
  const api = engineApi(docker, address);
  const engine: ContainerEngine = {
    address,
    async ping({ signal }) {
      const found = versionAnswer.parse(await api.json("GET", "/version", { signal }));
      return { version: found.Version, apiVersion: found.ApiVersion, platform: `${found.Os}/${found.Arch}` };
    },
    async imageStore({ signal }) {
      const { DriverStatus } = infoAnswer.parse(await api.json("GET", "/info", { signal }));
      // How Docker's own documentation tells them apart.
      const packed = DriverStatus?.some(([, value]) => value?.startsWith("io.containerd.snapshotter."));
      return packed ? "containerd" : "classic";
    },
    async containers(labels, { signal, all = false }) {
      const query = { all, filters: { label: labels } };
      const found = await api.json("GET", "/containers/json", { signal, query });
      return z.array(containerAnswer).parse(found).map(toContainer);
    },
    exec: (container, argv, options) => execIn(api, address, container, argv, options),
    async image(ref, { signal }) {
      const found = await api
        .json("GET", `/images/${encodeRef(ref)}/json`, { signal })
        .catch(orUndefinedWhenMissing);
      return found === undefined ? undefined : toImage(imageAnswer.parse(found));
    },
    async images({ signal }) {
      // Engines before 23 do not know the option, and do without.
      const query = { "shared-size": true };
      const found = await api.json("GET", "/images/json", { signal, query });
      return z.array(imageEntryAnswer).parse(found).map(toImageEntry);
    },
    saveImage: (ref, { signal }) => saveImage(api, address, ref, signal),
    async tagImage(id, ref, { signal }) {
      const { name, tag } = splitRef(ref);
      await api.json("POST", `/images/${encodeRef(id)}/tag`, { signal, query: { repo: name, tag } });
    },
    async untagImage(ref, { signal }) {
      // Without the layers below: whether those are still of use is for the engine's owner to say.
      await api.json("DELETE", `/images/${encodeRef(ref)}`, { signal, query: { noprune: true } });
    },
    pushImage: (ref, { signal, anonymous = false }) =>
      pushImage(api, {
        ...splitRef(ref),
        credentials: anonymous ? undefined : credentials,
        signal,
        address,
      }),
  };
  return { engine, docker, api };
}

/** Every field is given: the modem fills what is left out from DOCKER_HOST, which is not what was asked for. */
function modemOptions(connection: EngineConnection): Dockerode.DockerOptions {
  const nothing = {
    socketPath: undefined,
    host: undefined,
    port: undefined,
    username: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    pathPrefix: "/",
    timeout: undefined,
  };
  switch (connection.kind) {
    case "socket":
      return {
        ...nothing,
        protocol: "http",
        socketPath: connection.path,
        agent: unprinted(new HttpAgent({ keepAlive: true })),
      } as unknown as Dockerode.DockerOptions;
    case "tcp": {
      const { host, port, tls } = connection;
      const agent = tls
        ? new HttpsAgent({
            keepAlive: true,
            ca: tls.ca,
            cert: tls.cert,
            key: tls.key,
            rejectUnauthorized: tls.verify,
          })
        : new HttpAgent({ keepAlive: true });
      return {
        ...nothing,
        protocol: tls ? "https" : "http",
        host,
        port,
        agent: unprinted(agent),
      } as unknown as Dockerode.DockerOptions;
    }
    case "ssh":
      return {
        ...nothing,
        protocol: "ssh",
        host: connection.host,
        port: connection.port,
        username: connection.username,
        sshOptions: { agent: process.env["SSH_AUTH_SOCK"] },
      } as unknown as Dockerode.DockerOptions;
  }
}

/**
 * docker-modem 5 turns the options of each request into text for its debug log, whether or not that is on; with the agent go
 * all its connections: some 70 ms of computing a request where 15 streams are open, instead of 1 ms.
 */
function unprinted(agent: HttpAgent | HttpsAgent): HttpAgent | HttpsAgent {
  return Object.assign(agent, { [inspect.custom]: () => agent.constructor.name });
}

const versionAnswer = z.object({
  Version: z.string(),
  ApiVersion: z.string(),
  Os: z.string(),
  Arch: z.string(),
});

const infoAnswer = z.object({ DriverStatus: z.array(z.array(z.string())).nullish() });

const containerAnswer = z.object({
  Id: z.string(),
  Names: z.array(z.string()),
  Labels: z.record(z.string(), z.string()).nullish(),
  State: z.string(),
  ImageID: z.string().optional(),
  Ports: z
    .array(
      z.object({
        IP: z.string().optional(),
        PrivatePort: z.number(),
        PublicPort: z.number().optional(),
        Type: z.string(),
      }),
    )
    .nullish(),
});

function toContainer(found: z.infer<typeof containerAnswer>): EngineContainer {
  const { ImageID } = found;
  const ports: Record<string, { host: string; port: number }> = {};
  for (const { IP, PrivatePort, PublicPort, Type } of found.Ports ?? []) {
    // The same port is listed once for IPv4 and once for IPv6: the first stays.
    if (PublicPort) ports[`${PrivatePort}/${Type}`] ??= { host: IP ?? "0.0.0.0", port: PublicPort };
  }
  return {
    id: found.Id,
    name: found.Names[0]?.replace(/^\//, "") ?? found.Id,
    labels: found.Labels ?? {},
    running: found.State === "running",
    ...(ImageID === undefined ? {} : { imageId: ImageID }),
    ports,
  };
}

const imageAnswer = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  RepoDigests: z.array(z.string()).nullish(),
  Size: z.number(),
  Os: z.string().default("linux"),
  Architecture: z.string().default(""),
  Variant: z.string().optional(),
  RootFS: z.object({ Layers: z.array(z.string()).nullish() }).nullish(),
  Config: z
    .object({
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      StopSignal: z.string().nullish(),
      User: z.string().nullish(),
    })
    .nullish(),
  Metadata: z.object({ LastTagTime: z.string().nullish() }).nullish(),
});

function toImage(found: z.infer<typeof imageAnswer>): EngineImage {
  const { Os, Architecture, Variant, RootFS, Config } = found;
  // An image that never had a name has the year 1 there.
  const taggedAt = Date.parse(found.Metadata?.LastTagTime ?? "");
  return {
    id: found.Id,
    tags: found.RepoTags ?? [],
    size: found.Size,
    platform: [Os, Architecture, ...(Variant ? [Variant] : [])].join("/"),
    digests: found.RepoDigests ?? [],
    layers: RootFS?.Layers ?? [],
    entrypoint: Config?.Entrypoint ?? [],
    command: Config?.Cmd ?? [],
    ...(Config?.StopSignal ? { stopSignal: Config.StopSignal } : {}),
    user: Config?.User ?? "",
    ...(taggedAt > 0 ? { taggedAt } : {}),
  };
}

const imageEntryAnswer = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Size: z.number(),
  SharedSize: z.number().nullish(),
  /** In seconds. */
  Created: z.number(),
});

function toImageEntry(found: z.infer<typeof imageEntryAnswer>): EngineImageEntry {
  const { SharedSize } = found;
  return {
    id: found.Id,
    tags: (found.RepoTags ?? []).filter((tag) => tag !== "<none>:<none>"),
    size: found.Size,
    // -1: not computed.
    ...(typeof SharedSize === "number" && SharedSize >= 0 ? { sharedSize: SharedSize } : {}),
    createdAt: found.Created * 1000,
  };
}

function orUndefinedWhenMissing(error: unknown): undefined {
  if (error instanceof EngineStatusError && error.status === 404) return undefined;
  throw error;
}

async function saveImage(
  api: EngineApi,
  address: string,
  ref: string,
  signal: AbortSignal,
): Promise<Readable> {
  const answer = await api.stream("GET", `/images/${encodeRef(ref)}/get`, { signal });
  const archive = new PassThrough();
  const aborted = addAbortListener(signal, () => archive.destroy(signal.reason as Error));
  // Not pipeline(): it would fail the archive with the connection's error before that is translated.
  answer.once("error", (error) => archive.destroy(engineUnreachable(address, error) ?? error));
  archive.once("close", () => {
    aborted[Symbol.dispose]();
    answer.destroy();
  });
  answer.pipe(archive);
  return archive;
}

/** Slashes and colons of a reference stand as they are in the engine's paths. */
function encodeRef(ref: string): string {
  return encodeURIComponent(ref).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@");
}

function splitRef(ref: string): { name: string; tag: string } {
  const colon = ref.lastIndexOf(":");
  return colon > ref.lastIndexOf("/")
    ? { name: ref.slice(0, colon), tag: ref.slice(colon + 1) }
    : { name: ref, tag: "latest" };
}
