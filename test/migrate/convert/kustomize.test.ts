import { expect, it } from "vitest";
import { hasKustomize } from "../../has-kustomize.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture } from "./projects.js";
import { renderTogether } from "./render-together.js";

it.runIf(hasKustomize)(
  "kustomize takes the base and every overlay of every project",
  { timeout: 120_000 },
  async () => {
    const migrations = await Promise.all(
      fixtureNames().map(async (name) => [name, (await convertFixture(name)).files] as const),
    );
    const rendered = await renderTogether(Object.fromEntries(migrations));
    expect(new Set(rendered.map(({ project }) => project))).toEqual(new Set(fixtureNames()));
    for (const { project, overlay, objects } of rendered) {
      const workloads = migrations
        .find(([name]) => name === project)?.[1]
        .filter(({ path }) => /^k8s\/base\/[^/]+\/(deployment|job|daemonset)\.yaml$/.test(path));
      expect(objects.length, `${project} ${overlay}`).toBeGreaterThanOrEqual(workloads?.length ?? 0);
      for (const { kind, metadata } of objects)
        expect(`${kind}/${metadata.name}`).toMatch(/^[A-Z]\w+\/[a-z0-9]/);
    }
  },
);
