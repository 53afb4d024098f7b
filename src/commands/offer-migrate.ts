import { basename } from "node:path";
import { DevloopError } from "../lib/errors.js";
import { composeFileIn } from "../migrate/compose/find-files.js";
import type { Ask } from "./ask.js";

interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** The compose file's name in this directory. */
export async function composeFileHere(cwd: string): Promise<string | undefined> {
  const file = await composeFileIn(cwd);
  return file === undefined ? undefined : basename(file);
}

/** Throws the error of loading a config; where there is a compose file in place of one, its hint names devloop migrate. */
export async function failWithoutConfig(
  error: unknown,
  { cwd, file }: { readonly cwd: string; readonly file?: string | undefined },
): Promise<never> {
  const compose = isWithoutConfig(error) && file === undefined ? await composeFileHere(cwd) : undefined;
  if (!isWithoutConfig(error) || compose === undefined) throw error;
  throw new DevloopError("CONFIG_NOT_FOUND", error.message, {
    cause: error,
    hint: `devloop migrate makes manifests and a devloop.yaml from ${compose}; --dry-run shows them first`,
  });
}

/**
 * Where a config was not found and there is a compose file: lists what devloop migrate would write, asks, and does it.
 * Tells whether it was done.
 */
export async function offerMigrate(
  error: unknown,
  options: Place & { readonly file?: string | undefined; readonly ask: Ask },
): Promise<boolean> {
  if (!isWithoutConfig(error) || options.file !== undefined) return false;
  const compose = await composeFileHere(options.cwd);
  if (compose === undefined) return false;
  process.stdout.write(
    `there is no devloop.yaml here, and there is ${compose}; devloop migrate would write:\n\n`,
  );
  await migrateHere(options, { dryRun: true });
  if (!(await options.ask.confirm("write them and go on?"))) return false;
  return (await migrateHere(options, { dryRun: false })) === 0;
}

/** `devloop migrate` in this directory as it is without options; a dry run lists the files alone. Resolves with the exit code. */
export async function migrateHere(
  { cwd, env, signal }: Place,
  { dryRun }: { readonly dryRun: boolean },
): Promise<number> {
  const { migrateCommand } = await import("./migrate.js");
  return migrateCommand({
    cwd,
    env,
    files: [],
    out: undefined,
    overlays: [],
    profiles: [],
    dryRun,
    brief: true,
    strict: false,
    force: false,
    waitInitContainers: false,
    probes: "readiness",
    hostMounts: false,
    networkPolicies: false,
    signal,
  });
}

function isWithoutConfig(error: unknown): error is DevloopError {
  return error instanceof DevloopError && error.code === "CONFIG_NOT_FOUND";
}
