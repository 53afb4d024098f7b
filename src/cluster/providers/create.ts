import { DevloopError } from "../../lib/errors.js";
import { runTool } from "../../lib/run-tool.js";
import type { Environment } from "./kubeconfig.js";

/** How to get the command, in one line. */
const install = {
  kind: "install it: brew install kind, go install sigs.k8s.io/kind@latest, or https://kind.sigs.k8s.io/docs/user/quick-start",
  k3d: "install it: brew install k3d, or https://k3d.io/stable/#installation",
} as const;

/**
 * Makes a cluster with the kind or k3d command, which waits until it is ready and adds it to the kubeconfig.
 * Throws TOOL_MISSING with how to install the command, or TOOL_FAILED with its own words.
 */
export async function createCluster(
  provider: "kind" | "k3d",
  name: string,
  { env, signal }: { readonly env: Environment; readonly signal: AbortSignal },
): Promise<void> {
  const args =
    provider === "kind"
      ? ["create", "cluster", "--name", name, "--wait", "60s"]
      : ["cluster", "create", name, "--wait"];
  try {
    await runTool(provider, args, { signal, env: defined(env) });
  } catch (error) {
    if (!(error instanceof DevloopError) || error.code !== "TOOL_MISSING") throw error;
    throw new DevloopError(
      "TOOL_MISSING",
      `cluster ${name} is to be created, but ${provider} is not installed or not on PATH`,
      { cause: error, hint: install[provider] },
    );
  }
}

/** The shell line that does the same, for hints. */
export function createCommand(provider: "kind" | "k3d", name: string): string {
  return provider === "kind" ? `kind create cluster --name ${name}` : `k3d cluster create ${name}`;
}

function defined(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
