import { once } from "node:events";
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { styleText } from "node:util";
import type Dockerode from "dockerode";
import { NoLocalClusterError } from "../cluster/providers/choose.js";
import { kustomizationInputs } from "../cluster/render/kustomization-inputs.js";
import { resolveCluster } from "../cluster/providers/resolve.js";
import { connectEngine } from "../docker/connect.js";
import { findEngine, type EngineEndpoint } from "../docker/endpoint.js";
import type { ContainerEngine } from "../engine/container-engine.js";
import type { ClusterSpec, DeploySpec } from "../engine/project.js";
import { startDeadline } from "../lib/deadline.js";
import { DevloopError, errorText } from "../lib/errors.js";
import { homeDirectory } from "../lib/home.js";
import { loadProject } from "./session/session.js";
import {
  checkBuildx,
  checkDisk,
  checkHelm,
  checkInotify,
  checkRenderer,
  checkWatching,
  type Check,
  type Need,
} from "./doctor-checks.js";
import { checkBuildKit, checkCredentialHelpers, checkProxy, judgeEngineFailure } from "./doctor-engine.js";

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
  const project = await projectCheck(options);
  const tools = [
    checkBuildx({ env, signal }),
    checkRenderer({ env, signal }, project.needs.kustomize),
    checkHelm({ env, signal }, project.needs.helm),
    checkInotify(),
    checkWatching(project.root ?? cwd),
  ];
  const { checks, engine, root } = await engineChecks(options, signal);
  const cluster = clusterCheck(options, { spec: project.cluster, engine, signal });
  const [buildx, renderer, helm, inotify, watching] = await Promise.all(tools);
  // One that is too old does not come this far.
  const node: Check = { name: "node", status: "ok", message: process.versions.node };
  const found = [node, project.check, ...checks, buildx, await cluster];
  return [...found, renderer, helm, inotify, watching, await checkDisk(root ?? cwd)].flatMap(
    (check) => check ?? [],
  );
}

/** What doctor knows of the project. */
interface ProjectFindings {
  readonly check?: Check;
  readonly cluster: ClusterSpec;
  readonly needs: { readonly kustomize: Need; readonly helm: Need };
  readonly root?: string;
}

const noProject: ProjectFindings = { cluster: anyCluster, needs: { kustomize: "unknown", helm: "unknown" } };

/** Whether the project's config can be used, and its cluster; no check where there is no project. */
async function projectCheck({ cwd, env, file, profiles = [] }: DoctorOptions): Promise<ProjectFindings> {
  try {
    const { project, loaded } = await loadProject({ cwd, env, file, profiles });
    const message = `${relative(cwd, loaded.file)}: project ${project.name}`;
    return {
      check: { name: "config", status: "ok", message },
      cluster: project.cluster,
      needs: await toolsFor(project.deploys),
      root: project.root,
    };
  } catch (error) {
    const none = error instanceof DevloopError && error.code === "CONFIG_NOT_FOUND" && file === undefined;
    return none ? noProject : { ...noProject, check: failed("config", error) };
  }
}

/** A kustomization may inflate charts: helm is needed then, too. */
async function toolsFor(deploys: readonly DeploySpec[]): Promise<ProjectFindings["needs"]> {
  const kustomizations = deploys.flatMap((deploy) => (deploy.kind === "kustomize" ? [deploy.path] : []));
  const inputs = await Promise.all(kustomizations.map((path) => kustomizationInputs(path)));
  const helm = deploys.some(({ kind }) => kind === "helm") || inputs.some(({ charts }) => charts);
  const need = (wanted: boolean): Need => (wanted ? "needed" : "not needed");
  return { kustomize: need(kustomizations.length > 0), helm: need(helm) };
}

interface EngineFindings {
  readonly checks: readonly Check[];
  readonly engine?: ContainerEngine;
  readonly root?: string;
}

/** The engine, and beside it what else is between it and the images: never a reason to call the engine broken. */
async function engineChecks({ env }: DoctorOptions, signal: AbortSignal): Promise<EngineFindings> {
  const home = homeDirectory(env);
  const { proxies, ...found } = await askEngine(env, { home, signal });
  if (proxies === undefined) return found;
  const further = [checkProxy(env, proxies), await checkCredentialHelpers(env, { home })];
  return { ...found, checks: [...found.checks, ...further.flatMap((check) => check ?? [])] };
}

/** `proxies` are those of an engine that answers. */
async function askEngine(
  env: DoctorOptions["env"],
  { home, signal }: { readonly home: string; readonly signal: AbortSignal },
): Promise<EngineFindings & { readonly proxies?: Parameters<typeof checkProxy>[1] }> {
  let endpoint: EngineEndpoint | undefined;
  try {
    endpoint = findEngine(env, { home });
    const { engine, docker } = connectEngine(endpoint);
    const info = await engine.ping({ signal });
    const { root, product, rootless, ...proxies } = await describeEngine(docker, signal);
    return {
      engine,
      proxies,
      // The engine's folders are this machine's only when its socket is.
      ...(endpoint.connection.kind === "socket" && root !== undefined ? { root } : {}),
      checks: [
        {
          name: "engine",
          status: "ok",
          message: `${product} ${info.version} at ${engine.address} (${info.platform}${rootless ? ", rootless" : ""}, from ${endpoint.source})`,
        },
        checkBuildKit({ ...info, product }),
      ],
    };
  } catch (error) {
    return { checks: [await judgeEngineFailure(error, { endpoint, home, env, signal })] };
  }
}

interface EngineDescription {
  readonly product: string;
  readonly root?: string;
  readonly rootless: boolean;
  readonly HttpProxy?: string | undefined;
  readonly HttpsProxy?: string | undefined;
}

/** What `ping` does not tell: whose engine it is, where it keeps its images, and how it reaches the world. */
async function describeEngine(docker: Dockerode, signal: AbortSignal): Promise<EngineDescription> {
  signal.throwIfAborted();
  const answers = Promise.all([docker.version(), docker.info()]) as Promise<
    [
      { readonly Components?: readonly { readonly Name: string }[] },
      {
        readonly DockerRootDir?: string;
        readonly SecurityOptions?: readonly string[] | null;
        readonly HttpProxy?: string;
        readonly HttpsProxy?: string;
      },
    ]
  >;
  const late = once(signal, "abort").then(() => {
    throw new DevloopError("ENGINE_UNREACHABLE", "the container engine does not say what it is");
  });
  const [version, info] = await Promise.race([answers, late]);
  const podman = version.Components?.some(({ Name }) => /podman/i.test(Name)) ?? false;
  const { DockerRootDir: root, SecurityOptions, HttpProxy, HttpsProxy } = info;
  return {
    product: podman ? "Podman" : "Docker",
    rootless: SecurityOptions?.some((option) => option.includes("rootless")) ?? false,
    HttpProxy,
    HttpsProxy,
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
