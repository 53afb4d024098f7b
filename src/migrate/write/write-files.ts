import { lstat, mkdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DevloopError } from "../../lib/errors.js";
import type { OutputFile } from "../convert/output.js";
import { besidePath, planWrites, type WriteStep } from "./plan-writes.js";
import { readIfThere, readState, secretStateFile, stateFile, stateFiles } from "./state.js";

/**
 * Brings the generated files to the directory `out`; nothing that a person wrote is overwritten unless `force`. Each
 * file is written whole or not at all, the state last: whatever ends the run, the next one takes it up.
 *
 * @throws DevloopError USAGE when a folder below `out` is a link: what is written there would land elsewhere.
 */
export async function writeMigration(
  files: readonly OutputFile[],
  {
    project,
    out,
    force,
    dryRun,
    signal,
  }: {
    /** Its name, for the next run. */
    readonly project: string;
    readonly out: string;
    readonly force: boolean;
    readonly dryRun: boolean;
    readonly signal: AbortSignal;
  },
): Promise<readonly WriteStep[]> {
  const generated = files.map((file) => file.path);
  await refuseLinks(out, [...generated, stateFile, secretStateFile]);
  const { before, unreadable } = await readState(out);
  const paths = [...new Set([...generated, ...Object.keys(before)])];
  await refuseLinks(out, paths);
  const disk = new Map<string, Uint8Array>();
  for (const path of [...paths, ...paths.map(besidePath)]) {
    const content = await readIfThere(join(out, path));
    if (content) disk.set(path, content);
  }
  const { steps, written } = planWrites(files, before, disk, { force });
  const secrets = new Set(files.flatMap(({ path, secret }) => (secret === true ? [path] : [])));
  const states = stateFiles(project, written, secrets);
  const told = [
    ...states.flatMap(({ path, content, secret }): WriteStep[] =>
      unreadable.includes(path)
        ? [
            {
              action: "replace",
              path,
              content,
              secret,
              note: "was not what devloop migrate wrote: files that differ count as edited by hand",
            },
          ]
        : [],
    ),
    ...steps,
  ];
  if (dryRun) return told;
  for (const step of steps) {
    signal.throwIfAborted();
    await take(step, out);
  }
  for (const { path, content, secret } of states) await replaceFile(join(out, path), content, secret);
  return told;
}

/** A folder that is a link leads out of `out`, and a state from a repository may name any path below it. */
async function refuseLinks(out: string, paths: readonly string[]): Promise<void> {
  const folders = new Set(paths.flatMap(foldersOf));
  for (const folder of folders) {
    const found = await lstat(join(out, folder)).catch(() => undefined);
    if (!found?.isSymbolicLink()) continue;
    throw new DevloopError("USAGE", `${folder} is a link, and devloop migrate writes only below ${out}`, {
      hint: "put a directory in its place, or name another one with --out",
    });
  }
}

/** The folders above a path: `k8s`, `k8s/base` of `k8s/base/x.yaml`. */
function foldersOf(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

async function take(step: WriteStep, out: string): Promise<void> {
  switch (step.action) {
    case "create":
    case "replace":
    case "merge":
      return replaceFile(join(out, step.path), step.content, step.secret);
    case "beside":
      return replaceFile(join(out, besidePath(step.path)), step.content, step.secret);
    case "remove": {
      await rm(join(out, step.path), { force: true });
      // An empty folder goes with its last file; one that holds anything else stays.
      await rmdir(dirname(join(out, step.path))).catch(() => undefined);
      return;
    }
    case "leave":
    case "equal":
      return;
  }
}

async function replaceFile(path: string, content: string | Uint8Array, secret: boolean): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { mode: secret ? 0o600 : 0o644 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
