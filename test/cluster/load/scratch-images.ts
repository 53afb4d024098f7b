import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadImage } from "../../../src/engine/target.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import { type DevloopError, errorText } from "../../../src/lib/errors.js";
import { runTool } from "../../../src/lib/run-tool.js";
import { signal } from "./rig.js";

/** An engine, and the address that the docker command is given for it; none for the one that it uses by itself. */
export interface ImageEngine {
  readonly engine: ContainerEngine;
  readonly host?: string;
}

/** Builds images; disposing removes them. */
export interface ScratchImages extends AsyncDisposable {
  docker(...args: readonly string[]): Promise<string>;
  /** Builds a Dockerfile of these lines, without a context. */
  build(ref: string, lines: readonly string[], ...flags: readonly string[]): Promise<LoadImage>;
  /** Removes all but the newest. */
  removeBut(kept: number): Promise<void>;
}

export async function scratchImages({ engine, host }: ImageEngine): Promise<ScratchImages> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-load-"));
  const made = new Set<string>();
  const docker = (...args: readonly string[]): Promise<string> =>
    runTool("docker", [...(host === undefined ? [] : ["--host", host]), ...args], { signal });
  return {
    docker,
    async build(ref, lines, ...flags) {
      await writeFile(join(directory, "Dockerfile"), lines.join("\n"));
      made.add(ref);
      // Attestations as devloop builds: none, unless asked for.
      const options = ["--quiet", "--network=none", "--provenance=false", ...flags];
      const build = (): Promise<string> => docker("build", ...options, "--tag", ref, directory);
      // Docker 26's containerd store may collect a layer under a build that begins as another image's name goes.
      await build().catch((error: unknown) => {
        if (
          !/snapshot \S+ does not exist/.test(`${errorText(error)} ${(error as DevloopError).detail ?? ""}`)
        )
          throw error;
        return build();
      });
      return { ref, imageId: (await engine.image(ref, { signal }))?.id ?? "" };
    },
    async removeBut(kept) {
      for (const ref of [...made].slice(0, -kept)) {
        await docker("rmi", "--force", ref);
        made.delete(ref);
      }
    },
    async [Symbol.asyncDispose]() {
      if (made.size > 0) await docker("rmi", "--force", ...made);
      await rm(directory, { recursive: true });
    },
  };
}

/** Carries a local base image over into another engine. */
export async function giveBase({ host }: ImageEngine, ref: string): Promise<void> {
  if (host === undefined) return;
  const script = `docker save "$1" | docker --host "$2" load`;
  await runTool("sh", ["-c", script, "sh", ref, host], { signal });
}
