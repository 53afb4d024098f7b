import { describe, expect, it } from "vitest";
import { keyPaths } from "../../../src/migrate/compose/model.js";
import { hasKustomize } from "../../has-kustomize.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture, type Converted } from "./projects.js";
import { renderTogether } from "./render-together.js";

const names = fixtureNames();
/** Of each project, what the other tests look at: converting all of them takes seconds. */
const migrations = new Map<string, Converted>();
for (const name of names) migrations.set(name, await convertFixture(name));
const migration = (name: string): Converted => migrations.get(name) ?? expect.fail(`no ${name}`);

describe("every key is accounted for", () => {
  it.each(names)("%s: each by a rule, and the same comes of it twice", async (name) => {
    const { project, report, files } = migration(name);
    const there = [...keyPaths(project), ...project.absorbed].map(({ path }) => JSON.stringify(path));
    const told = report.map(({ path }) => JSON.stringify(path));
    expect(told.sort()).toEqual(there.sort());
    expect(report.filter(({ unclaimed }) => unclaimed).map(({ path }) => path.join("."))).toEqual([]);
    for (const { text } of report) expect(text).not.toBe("");
    expect((await convertFixture(name)).files).toEqual(files);
  });
});

const built = "kustomize takes the base and every overlay of every project";

it.runIf(hasKustomize)(built, { timeout: 300_000 }, async () => {
  const all = Object.fromEntries(names.map((name) => [name, migration(name).files] as const));
  const rendered = await renderTogether(all);
  expect(new Set(rendered.map(({ project }) => project))).toEqual(new Set(names));
  for (const { project, overlay, objects } of rendered) {
    const workloads = migration(project).files.filter(({ path }) =>
      /^k8s\/base\/[^/]+\/(deployment|job|daemonset)\.yaml$/.test(path),
    );
    expect(objects.length, `${project} ${overlay}`).toBeGreaterThanOrEqual(workloads.length);
    for (const { kind, metadata } of objects)
      expect(`${kind}/${metadata.name}`).toMatch(/^[A-Z]\w+\/[a-z0-9]/);
  }
});
