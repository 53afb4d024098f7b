import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { renderKustomize } from "../../../src/cluster/render/kustomize.js";
import type { OutputFile } from "../../../src/migrate/convert/output.js";

const { signal } = new AbortController();

/** How many projects one run of kustomize builds: starting it is most of its time, and what it holds grows. */
const together = 20;

/** A project and an overlay of it, with its objects but for the Namespace. */
export interface RenderedOverlay {
  readonly project: string;
  readonly overlay: string;
  readonly objects: readonly KubeObject[];
}

/**
 * Builds every overlay of every project that no other overlay is made of: with it, the overlays below it and the base.
 * Each gets a namespace of its own, so that many can be in one build.
 */
export async function renderTogether(
  projects: Readonly<Record<string, readonly OutputFile[]>>,
): Promise<readonly RenderedOverlay[]> {
  const names = Object.keys(projects);
  const chunks = Array.from({ length: Math.ceil(names.length / together) }, (_, index) =>
    names.slice(index * together, (index + 1) * together),
  );
  const rendered: RenderedOverlay[] = [];
  for (const chunk of chunks)
    rendered.push(...(await renderChunk(chunk.map((name) => [name, projects[name] ?? []] as const))));
  return rendered;
}

async function renderChunk(
  projects: readonly (readonly [string, readonly OutputFile[]])[],
): Promise<readonly RenderedOverlay[]> {
  const places = projects.flatMap(([project, files]) =>
    lastOverlays(files).map((overlay) => ({ project, overlay, files })),
  );
  const rendered = await renderOverlays(places);
  return places.map(({ project, overlay }, place) => ({ project, overlay, objects: rendered[place] ?? [] }));
}

/** The objects of each of these overlays, in their order, by one run of kustomize. The namespaces are made up. */
export async function renderOverlays(
  places: readonly { readonly files: readonly OutputFile[]; readonly overlay: string }[],
): Promise<readonly (readonly KubeObject[])[]> {
  const root = mkdtempSync(join(tmpdir(), "devloop-migrate-render-"));
  try {
    const projects = [...new Set(places.map(({ files }) => files))];
    projects.forEach((files, project) => {
      for (const { path, content } of files) write(join(root, `project-${project}`, path), content);
    });
    places.forEach(({ files, overlay }, place) => {
      write(
        join(root, `place-${place}/kustomization.yaml`),
        stringify({
          resources: [`../project-${projects.indexOf(files)}/k8s/overlays/${overlay}`],
          namespace: `place-${place}`,
          patches: [
            {
              target: { kind: "Namespace" },
              patch: '{"$patch":"delete","kind":"Namespace","apiVersion":"v1","metadata":{"name":"x"}}',
            },
          ],
        }),
      );
    });
    write(
      join(root, "kustomization.yaml"),
      stringify({ resources: places.map((_, place) => `place-${place}`) }),
    );
    const objects = await renderKustomize(root, { signal });
    return places.map((_, place) =>
      objects.filter(({ metadata }) => metadata.namespace === `place-${place}`),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

function lastOverlays(files: readonly OutputFile[]): readonly string[] {
  const overlays = files.flatMap(({ path, content }) => {
    const [, name] = /^k8s\/overlays\/([^/]+)\/kustomization\.yaml$/.exec(path) ?? [];
    return name === undefined ? [] : [{ name, text: Buffer.from(content).toString() }];
  });
  return overlays
    .map(({ name }) => name)
    .filter((name) => !overlays.some(({ text }) => text.includes(`- ../${name}\n`)));
}

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
}
