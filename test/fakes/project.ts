import type { SourceChange } from "../../src/engine/event.js";
import type { DeploySpec, ImageSpec, Project } from "../../src/engine/project.js";

export function imageSpec(name: string, changes: Partial<ImageSpec> = {}): ImageSpec {
  return {
    name,
    context: `/project/${name}`,
    dockerfile: { kind: "file", path: `/project/${name}/Dockerfile` },
    args: {},
    labels: {},
    extraHosts: [],
    secrets: {},
    ssh: {},
    contexts: {},
    cacheFrom: [],
    noCache: false,
    pullBases: false,
    ignore: [],
    pull: [],
    specHash: `spec-${name}`,
    ...changes,
  };
}

export function kustomizeDeploy(path: string): DeploySpec {
  return { id: path, kind: "kustomize", path: `/project/${path}`, specHash: `spec-${path}` };
}

/** A project of two images, web and api, and one overlay. */
export function sampleProject(changes: Partial<Project> = {}): Project {
  return {
    name: "sample",
    root: "/project",
    cluster: { provider: "auto", create: false, allow: [] },
    images: [imageSpec("web"), imageSpec("api")],
    deploys: [kustomizeDeploy("overlays/dev")],
    forwards: [],
    maxBuilds: 4,
    order: {},
    restarts: {},
    keepImages: 3,
    ...changes,
  };
}

export function imageChange(image: string, revision: string, bases?: readonly string[]): SourceChange {
  return {
    target: { image },
    revision,
    changed: [`${image}/server.js`],
    changedAt: 0,
    ...(bases === undefined ? {} : { bases }),
  };
}

export function deployChange(deploy: string, revision: string): SourceChange {
  return { target: { deploy }, revision, changed: [`${deploy}/patch.yaml`], changedAt: 0 };
}
