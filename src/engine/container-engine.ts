import type { Readable, Writable } from "node:stream";
import { DevloopError, errorText } from "../lib/errors.js";

/** What devloop needs of a container engine beside building; made by `connectEngine`. Library types stop here. */
export interface ContainerEngine {
  /** The address in use, for messages: `unix:///var/run/docker.sock`. */
  readonly address: string;
  /** Throws ENGINE_UNREACHABLE, with how to start it as the hint. */
  ping(options: { readonly signal: AbortSignal }): Promise<EngineInfo>;
  imageStore(options: { readonly signal: AbortSignal }): Promise<ImageStore>;
  /** Running containers that carry all labels (`key` or `key=value`); `all` adds stopped ones. */
  containers(
    labels: readonly string[],
    options: { readonly signal: AbortSignal; readonly all?: boolean },
  ): Promise<readonly EngineContainer[]>;
  /**
   * Runs a program in a container without a shell. Resolves with its exit code; never throws for a non-zero one.
   * An abort lets go of the program and closes its input; the engine has no call that would end it.
   */
  exec(container: string, argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /** The image as the engine has it, or undefined. */
  image(ref: string, options: { readonly signal: AbortSignal }): Promise<EngineImage | undefined>;
  /** All images, without those that only serve others as layers. */
  images(options: { readonly signal: AbortSignal }): Promise<readonly EngineImageEntry[]>;
  /** The image as an archive that `ctr images import` takes (docker save). */
  saveImage(ref: string, options: { readonly signal: AbortSignal }): Promise<Readable>;
  tagImage(id: string, ref: string, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Takes a name off an image; an image without any other name goes with it. */
  untagImage(ref: string, options: { readonly signal: AbortSignal }): Promise<void>;
  /** `anonymous` asks for no credentials. */
  pushImage(
    ref: string,
    options: { readonly signal: AbortSignal; readonly anonymous?: boolean },
  ): Promise<void>;
}
export interface EngineInfo {
  readonly version: string;
  readonly apiVersion: string;
  /** `linux/amd64`. */
  readonly platform: string;
}
/**
 * How an engine keeps images: `classic` unpacks their layers, and an image's id is its config's digest; `containerd` (the
 * default of Docker 29) keeps them as they travel, and the id is a manifest's or an index's digest.
 */
export type ImageStore = "classic" | "containerd";
export interface EngineContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
  /** The id of the image it was made from. */
  readonly imageId?: string;
  /** Container port (`6443/tcp`) to the host address it is published on. */
  readonly ports: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
}
export interface ExecOptions {
  readonly signal: AbortSignal;
  /** Variables beside the container's own. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Written to the program's standard input, which is then closed. */
  readonly stdin?: Readable;
  /** Takes standard output as it comes instead of collecting it. */
  readonly stdout?: Writable;
}
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}
export interface EngineImage {
  readonly id: string;
  readonly tags: readonly string[];
  /** Bytes, as the engine counts them: uncompressed, or compressed with the containerd image store. */
  readonly size: number;
  /** `linux/amd64`. */
  readonly platform: string;
  readonly digests: readonly string[];
  /** Digests of the layers as they are uncompressed, the lowest first; empty where the engine does not tell. */
  readonly layers: readonly string[];
  /** What it starts: its entrypoint's words, and those of its CMD. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Asks what it starts to end, as the image has it: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`. Left out: SIGTERM. */
  readonly stopSignal?: string;
  /** Who it runs as, as it says it: `1000`, `node`, `1000:1000`; empty for root. */
  readonly user?: string;
  /** When it was last given a name, in ms since the epoch; left out where the engine does not tell. */
  readonly taggedAt?: number;
}
/** An image as the list of all shows it. */
export interface EngineImageEntry {
  readonly id: string;
  readonly tags: readonly string[];
  /** Bytes of all its layers. */
  readonly size: number;
  /** Bytes of those layers that any other image has too; left out where the engine does not tell. */
  readonly sharedSize?: number;
  /** When its content was made, in ms since the epoch. */
  readonly createdAt: number;
}

/** How a registry knows us: a password, or the token that a login left behind. */
export type RegistryCredential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  | { readonly kind: "token"; readonly identityToken: string };
/** The credential for a registry's host (`ghcr.io`, `localhost:5000`, `docker.io`), or undefined for none. */
export type FindCredential = (
  host: string,
  options: { readonly signal: AbortSignal },
) => Promise<RegistryCredential | undefined>;

/** The engine answered, with an error. */
export class EngineStatusError extends Error {
  constructor(
    /** HTTP status: 404 for what does not exist, 409 for a container that does not run. */
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "EngineStatusError";
  }
}

/** What a failed exchange means: ENGINE_UNREACHABLE when the engine did not answer or went away, else undefined. */
export function engineUnreachable(address: string, error: unknown): DevloopError | undefined {
  const { code, level } = error as { code?: unknown; level?: unknown };
  const word = typeof code === "string" ? code : "";
  const lost = lostCodes.has(word) || /^(ERR_TLS|CERT_|UNABLE_TO_|DEPTH_|SELF_SIGNED)/.test(word);
  // ssh2 has a level instead of a code.
  if (!lost && !String(level).startsWith("client-")) return undefined;
  return new DevloopError(
    "ENGINE_UNREACHABLE",
    `the container engine does not answer at ${address}: ${errorText(error)}`,
    {
      cause: error,
      hint: hintFor(word, address),
    },
  );
}

const lostCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOENT",
  "EACCES",
  "EPERM",
  "ENOTSOCK",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

function hintFor(code: string, address: string): string {
  if (code === "EACCES" || code === "EPERM") {
    return "this user may not use it; add yourself to the docker group and log in again: sudo usermod -aG docker $USER";
  }
  if (address.startsWith("unix:")) return "is docker running? sudo systemctl start docker";
  return "is it running, and is DOCKER_HOST or the docker context right? docker context ls";
}
