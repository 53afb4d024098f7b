import type { Readable, Writable } from "node:stream";

/** What devloop needs of a container engine beside building; made by `connectEngine`. Library types stop here. */
export interface ContainerEngine {
  /** The address in use, for messages: `unix:///var/run/docker.sock`. */
  readonly address: string;
  /** Throws ENGINE_UNREACHABLE, with how to start it as the hint. */
  ping(options: { readonly signal: AbortSignal }): Promise<EngineInfo>;
  /** Running containers that carry all labels (`key` or `key=value`); `all` adds stopped ones. */
  containers(
    labels: readonly string[],
    options: { readonly signal: AbortSignal; readonly all?: boolean },
  ): Promise<readonly EngineContainer[]>;
  /** Runs a program in a container without a shell. Resolves with its exit code; never throws for a non-zero one. */
  exec(container: string, argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /** The image as the engine has it, or undefined. */
  image(ref: string, options: { readonly signal: AbortSignal }): Promise<EngineImage | undefined>;
  /** The image as an archive that `ctr images import` takes (docker save). */
  saveImage(ref: string, options: { readonly signal: AbortSignal }): Promise<Readable>;
  tagImage(id: string, ref: string, options: { readonly signal: AbortSignal }): Promise<void>;
  pushImage(ref: string, options: { readonly signal: AbortSignal }): Promise<void>;
}
export interface EngineInfo {
  readonly version: string;
  readonly apiVersion: string;
  /** `linux/amd64`. */
  readonly platform: string;
}
export interface EngineContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
  /** Container port (`6443/tcp`) to the host address it is published on. */
  readonly ports: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
}
export interface ExecOptions {
  readonly signal: AbortSignal;
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
  /** Bytes, uncompressed. */
  readonly size: number;
  /** `linux/amd64`. */
  readonly platform: string;
  readonly digests: readonly string[];
}
