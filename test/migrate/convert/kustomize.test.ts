import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { renderKustomize } from "../../../src/cluster/render/kustomize.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture, written } from "./projects.js";

const { signal } = new AbortController();

describe("kustomize takes the base and every overlay", () => {
  it.each(fixtureNames())("%s", { timeout: 60_000 }, async (name) => {
    const migration = await convertFixture(name);
    const out = written(migration);
    onTestFinished(() => {
      rmSync(out, { recursive: true });
    });
    const overlays = existsSync(join(out, "k8s/overlays")) ? readdirSync(join(out, "k8s/overlays")) : [];
    expect(overlays).toContain("dev");
    for (const folder of ["base", ...overlays.map((overlay) => `overlays/${overlay}`)]) {
      const objects = await renderKustomize(join(out, "k8s", folder), { signal });
      for (const { kind, metadata } of objects)
        expect(`${kind}/${metadata.name}`).toMatch(/^[A-Z]\w+\/[a-z0-9]/);
    }
  });
});
