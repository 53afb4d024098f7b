import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildImage, type BuildOptions, type BuildRequest, type BuiltImage } from "../../src/build/build.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import type { ImageSpec } from "../../src/engine/project.js";
import type { TaskProgress } from "../../src/engine/task.js";
import { imageSpec } from "../fakes/project.js";

export const { engine, docker, api } = connectEngine(findEngine(process.env, { home: homedir() }));

/** Whether the engine answers: integration tests are left out where it does not. */
export async function engineAnswers(): Promise<boolean> {
  return await engine.ping({ signal: AbortSignal.timeout(30_000) }).then(
    () => true,
    () => false,
  );
}

/** A build context in a temporary directory, and what its builds told; disposing removes both, images too. */
export interface ScratchBuild extends AsyncDisposable {
  readonly directory: string;
  readonly output: string[];
  readonly notes: string[];
  readonly progress: TaskProgress[];
  write(path: string, text: string): Promise<void>;
  spec(fields?: Partial<ImageSpec>): ImageSpec;
  build(
    fields?: Partial<ImageSpec>,
    options?: Partial<BuildOptions & Omit<BuildRequest, "image">>,
  ): Promise<BuiltImage>;
}

export async function scratchBuild(files: Readonly<Record<string, string>>): Promise<ScratchBuild> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-build-"));
  const built = new Set<string>();
  const scratch: ScratchBuild = {
    directory,
    output: [],
    notes: [],
    progress: [],
    async write(path, text) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    },
    spec: (fields = {}) =>
      imageSpec("devloop-scratch", {
        context: directory,
        dockerfile: { kind: "file", path: join(directory, "Dockerfile") },
        ...fields,
      }),
    async build(fields, { bases = {}, secrets, agent, attest, ...options } = {}) {
      const image = await buildImage(
        docker,
        engine,
        {
          image: scratch.spec(fields),
          bases,
          ...(secrets ? { secrets } : {}),
          ...(attest ? { attest } : {}),
          agent,
        },
        {
          signal: AbortSignal.timeout(240_000),
          onProgress: (progress) => scratch.progress.push(progress),
          onOutput: (lines) => scratch.output.push(...lines),
          onNote: (message) => scratch.notes.push(message),
          ...options,
        },
      );
      built.add(image.ref);
      return image;
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true });
      for (const ref of built) await docker.getImage(ref).remove();
    },
  };
  for (const [path, text] of Object.entries(files)) await scratch.write(path, text);
  return scratch;
}

/** What a program in an image prints. */
export async function outputOf(ref: string, argv: readonly string[]): Promise<string> {
  const signal = AbortSignal.timeout(240_000);
  await using container = await runningContainer(ref);
  return (await engine.exec(container.id, argv, { signal })).stdout;
}

/** A container that sleeps; disposing removes it. */
export async function runningContainer(ref: string): Promise<AsyncDisposable & { readonly id: string }> {
  const container = await docker.createContainer({
    Image: ref,
    Cmd: ["sleep", "600"],
    NetworkDisabled: true,
  });
  await container.start();
  return {
    id: container.id,
    async [Symbol.asyncDispose]() {
      await container.remove({ force: true });
    },
  };
}
