import { once } from "node:events";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { relative } from "node:path";
import { styleText } from "node:util";
import type Dockerode from "dockerode";
import { NoLocalClusterError } from "../cluster/providers/choose.js";
import { resolveCluster } from "../cluster/providers/resolve.js";
import { connectEngine } from "../docker/connect.js";
import { findEngine } from "../docker/endpoint.js";
import type { ContainerEngine } from "../engine/container-engine.js";
import type { ClusterSpec } from "../engine/model.js";
import { startDeadline } from "../lib/deadline.js";
import { DevloopError, errorText } from "../lib/errors.js";
import { loadProject } from "./session/session.js";
import {
  checkBuildKit,
  checkBuildx,
  checkDisk,
  checkHelm,
  checkInotify,
  checkNode,
  checkRenderer,
  judgeEngineFailure,
  type Check,
} from "./doctor-checks.js";

export interface DoctorOptions {
  readonly cwd: string;
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's config and profiles: its cluster is the one that is looked for. Without a project, any local one. */
  readonly file?: string | undefined;
  readonly profiles?: readonly string[];
  readonly signal?: AbortSignal;
}

/** How long all checks together may take, in ms. */
const timeLimitMs = 30_000;
const anyCluster: ClusterSpec = { provider: "auto", create: false, allow: [] };

/** `devloop doctor`: prints what is there, what is missing and how to get it. Resolves with 1 when something needed is missing. */
export async function doctorCommand(options: DoctorOptions): Promise<number> {
  const checks = await runChecks(options);
  const failed = checks.some(({ status }) => status === "fail");
  if (options.json) process.stdout.write(`${JSON.stringify({ ok: !failed, checks }, null, 2)}\n`);
  else process.stdout.write(formatChecks(checks, { colour: usesColour(options.env) }));
  return failed ? 1 : 0;
}

/** The checks as lines: a sign, the check's name, what was found, and under it what to do. */
export function formatChecks(checks: readonly Check[], { colour }: { readonly colour: boolean }): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const paint = (status: Check["status"], text: string): string =>
    colour ? styleText(paints[status], text, { validateStream: false }) : text;
  return checks
    .map(({ name, status, message, fix }) => {
      const line = `${paint(status, signs[status])}  ${name.padEnd(width)}  ${message}\n`;
      return fix === undefined ? line : `${line}${" ".repeat(signs[status].length + width + 4)}→ ${fix}\n`;
    })
    .join("");
}

const signs = { ok: "✓ ok  ", warn: "! warn", fail: "✗ fail" } as const;
const paints = { ok: "green", warn: "yellow", fail: "red" } as const;

async function runChecks(options: DoctorOptions): Promise<readonly Check[]> {
  const { cwd, env, signal: parent = new AbortController().signal } = options;
  using limit = startDeadline(timeLimitMs, parent);
  const { signal } = limit;
  const tools = [
    checkBuildx({ env, signal }),
    checkRenderer({ env, signal }),
    checkHelm({ env, signal }),
    checkInotify(),
  ];
  const project = await projectCheck(options);
  const { checks, engine, root } = await engineChecks(options, signal);
  const cluster = clusterCheck(options, { spec: project.cluster, engine, signal });
  const [buildx, renderer, helm, inotify] = await Promise.all(tools);
  const found = [checkNode(process.versions.node), project.check, ...checks, buildx, await cluster];
  return [...found, renderer, helm, inotify, await checkDisk(root ?? cwd)].flatMap((check) => check ?? []);
}

/** Whether the project's config can be used, and its cluster; no check where there is no project. */
async function projectCheck({
  cwd,
  env,
  file,
  profiles = [],
}: DoctorOptions): Promise<{ readonly check?: Check; readonly cluster: ClusterSpec }> {
  try {
    const { project, loaded } = await loadProject({ cwd, env, file, profiles });
    const message = `${relative(cwd, loaded.file)}: project ${project.name}`;
    return { check: { name: "config", status: "ok", message }, cluster: project.cluster };
  } catch (error) {
    const none = error instanceof DevloopError && error.code === "CONFIG_NOT_FOUND" && file === undefined;
    return none ? { cluster: anyCluster } : { check: failed("config", error), cluster: anyCluster };
  }
}

async function engineChecks(
  { env }: DoctorOptions,
  signal: AbortSignal,
): Promise<{ readonly checks: readonly Check[]; readonly engine?: ContainerEngine; readonly root?: string }> {
  try {
    const endpoint = findEngine(env, { home: env["HOME"] ?? homedir() });
    const { engine, docker } = connectEngine(endpoint);
    const info = await engine.ping({ signal });
    const { root, product } = await describeEngine(docker, signal);
    return {
      engine,
      // The engine's folders are this machine's only when its socket is.
      ...(endpoint.connection.kind === "socket" && root !== undefined ? { root } : {}),
      checks: [
        {
          name: "engine",
          status: "ok",
          message: `${product} ${info.version} at ${engine.address} (${info.platform}, from ${endpoint.source})`,
        },
        checkBuildKit({ ...info, product }),
      ],
    };
  } catch (error) {
    return { checks: [await judgeEngineFailure(error, { env, signal })] };
  }
}

/** What `ping` does not tell: whose engine it is, and where it keeps its images. */
async function describeEngine(
  docker: Dockerode,
  signal: AbortSignal,
): Promise<{ readonly product: string; readonly root?: string }> {
  const answers = Promise.all([docker.version(), docker.info()]) as Promise<
    [{ readonly Components?: readonly { readonly Name: string }[] }, { readonly DockerRootDir?: string }]
  >;
  const late = once(signal, "abort").then(() => {
    throw new DevloopError("ENGINE_UNREACHABLE", "the container engine does not say what it is");
  });
  const [version, info] = await Promise.race([answers, late]);
  const podman = version.Components?.some(({ Name }) => /podman/i.test(Name)) ?? false;
  const root = info.DockerRootDir;
  return {
    product: podman ? "Podman" : "Docker",
    ...(root !== undefined && existsSync(root) ? { root } : {}),
  };
}

async function clusterCheck(
  { env }: DoctorOptions,
  {
    spec,
    engine,
    signal,
  }: {
    readonly spec: ClusterSpec;
    readonly engine: ContainerEngine | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Check> {
  if (spec.provider === "docker")
    return { name: "cluster", status: "ok", message: "none: the containers run on the engine itself" };
  try {
    const resolved = await resolveCluster({ ...spec, create: false }, { engine, env, signal });
    using kube = resolved.kube;
    const { context, nodes, registry, platform } = resolved.cluster;
    const images =
      registry === undefined
        ? nodes.length > 0
          ? `, images go into ${nodes.join(", ")}`
          : ""
        : `, images go to ${registry}`;
    return { name: "cluster", status: "ok", message: `${context} at ${kube.server} (${platform})${images}` };
  } catch (error) {
    if (spec.provider === "auto" && !spec.create && engine && error instanceof NoLocalClusterError)
      return {
        name: "cluster",
        status: "ok",
        message: `none: the containers run on the engine itself (docs/targets.md); for a cluster: ${error.hint ?? ""}`,
      };
    // Which contexts are local, the engine tells: a fix without it would be a guess.
    const isGuess =
      error instanceof DevloopError &&
      ["CLUSTER_NOT_ALLOWED", "ENGINE_UNREACHABLE"].includes(error.code) &&
      spec.provider !== "context" &&
      spec.context === undefined;
    if (engine || !isGuess) return failed("cluster", error);
    const message =
      "not looked for: local clusters are known by their nodes, and no container engine answers";
    return { name: "cluster", status: "fail", message };
  }
}

function failed(name: string, error: unknown): Check {
  const fix = error instanceof DevloopError ? error.hint : undefined;
  return { name, status: "fail", message: errorText(error), ...(fix === undefined ? {} : { fix }) };
}

function usesColour(env: DoctorOptions["env"]): boolean {
  return process.stdout.isTTY && !env["NO_COLOR"];
}
