import { stringify } from "yaml";
import type { KubeObject } from "../cluster/kube.js";
import { replaceImages } from "../cluster/render/images.js";
import { renderDeploy } from "../cluster/render/render.js";
import type { SourceChange } from "../engine/event.js";
import type { Project } from "../engine/project.js";
import { plan } from "../engine/plan.js";
import { initialState, reduce } from "../engine/reduce.js";
import type { Environment } from "./session/adapters.js";
import { rememberedBuilds } from "./session/remembered-builds.js";
import { loadProject, type ProjectOptions } from "./session/session.js";
import { scanSources } from "./session/sources.js";

export interface RenderOptions extends ProjectOptions {
  readonly showSecrets: boolean;
  readonly signal: AbortSignal;
}

/**
 * `devloop render`: the manifests as `up` would apply them, on standard output. Images whose present files were built
 * before stand with their exact reference; the others are named on standard error. Needs no cluster and no engine.
 */
export async function renderCommand(options: RenderOptions): Promise<number> {
  const { signal, env, showSecrets } = options;
  const { project } = await loadProject(options);
  const note = (message: string): void => {
    process.stderr.write(`${message}\n`);
  };
  const changes = await scanSources(project, {
    signal,
    onProblem: ({ message }) => {
      note(message);
    },
  });
  const refs = await builtRefs(project, changes, env);
  for (const { name } of project.images) {
    if (!(name in refs))
      note(`${name} is not built from these files yet: its image stands as in the manifests`);
  }
  let hidden = false;
  for (const spec of project.deploys) {
    const { objects, notes } = await renderDeploy(spec, {
      signal,
      namespace: project.cluster.namespace ?? "default",
    });
    notes.forEach(note);
    for (const object of replaceImages(objects, refs).objects) {
      hidden ||= object.kind === "Secret" && !showSecrets;
      process.stdout.write(
        `---\n${stringify(showSecrets ? object : withoutSecrets(object), { lineWidth: 0 })}`,
      );
    }
  }
  if (hidden) note("the values of Secrets are hidden: --show-secrets prints them");
  return 0;
}

/** The references of the images that were built from what the files hold now. */
async function builtRefs(
  project: Project,
  changes: readonly SourceChange[],
  env: Environment,
): Promise<Readonly<Record<string, string>>> {
  const remembered = rememberedBuilds(project.root, env);
  const refs: Record<string, string> = {};
  let state = reduce(initialState(project, 0), { type: "service.up", service: "engine", at: 0 });
  state = reduce(state, { type: "sources.changed", changes, at: 0 });
  // The plan names each build by its inputs; one that was made before answers for its task, and lets its dependents be named.
  for (let builds = buildsOf(); builds.length > 0; builds = buildsOf()) {
    for (const task of builds) {
      const known = await remembered.findForAnyPlatform(task.input.image.name, {
        key: task.key,
        basis: task.input.basis,
      });
      state = reduce(state, { type: "task.started", task, at: 0 });
      const { id, attempt } = task;
      if (known) {
        refs[task.input.image.name] = known.ref;
        const { imageId, ref } = known;
        const output = { kind: "build", imageId, ref, remembered: true, steps: 0, cachedSteps: 0 } as const;
        state = reduce(state, { type: "task.succeeded", id, attempt, output, at: 0 });
      } else {
        const failure = { code: "BUILD_FAILED", message: "not built yet" } as const;
        state = reduce(state, { type: "task.failed", id, attempt, failure, at: 0 });
      }
    }
  }
  return refs;

  function buildsOf() {
    return plan(state).start.flatMap(({ input, ...task }) =>
      input.kind === "build" ? [{ ...task, input }] : [],
    );
  }
}

function withoutSecrets(object: KubeObject): KubeObject {
  if (object.kind !== "Secret") return object;
  const hide = (values: unknown): unknown =>
    typeof values === "object" && values !== null
      ? Object.fromEntries(Object.keys(values).map((key) => [key, "(hidden)"]))
      : values;
  const { data, stringData } = object;
  return {
    ...object,
    ...(data === undefined ? {} : { data: hide(data) }),
    ...(stringData === undefined ? {} : { stringData: hide(stringData) }),
  };
}
