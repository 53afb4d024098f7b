import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
  const root = mkdtempSync(join(tmpdir(), "devloop-migrate-render-"));
  try {
    const places = projects.flatMap(([project, files]) => {
      const out = join(root, "projects", project);
      for (const { path, content } of files) write(join(out, path), content);
      return lastOverlays(join(out, "k8s/overlays")).map((overlay) => ({ project, overlay }));
    });
    places.forEach(({ project, overlay }, place) => {
      write(
        join(root, `place-${place}/kustomization.yaml`),
        stringify({
          resources: [`../projects/${project}/k8s/overlays/${overlay}`],
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
    return places.map(({ project, overlay }, place) => ({
      project,
      overlay,
      objects: objects.filter(({ metadata }) => metadata.namespace === `place-${place}`),
    }));
  } finally {
    rmSync(root, { recursive: true });
  }
}

function lastOverlays(folder: string): readonly string[] {
  const all = existsSync(folder) ? readdirSync(folder) : [];
  const texts = all.map((name) => readFileSync(join(folder, name, "kustomization.yaml"), "utf8"));
  return all.filter((name) => !texts.some((text) => text.includes(`- ../${name}\n`)));
}

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
}
