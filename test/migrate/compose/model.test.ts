import { describe, expect, it } from "vitest";
import { loadCompose, type LoadComposeOptions } from "../../../src/migrate/compose/load.js";
import { originOf, type ComposeProject, type ModelPath } from "../../../src/migrate/compose/model.js";
import { fixtureOptions } from "./fixture.js";

async function load(name: string, more: Partial<LoadComposeOptions> = {}): Promise<ComposeProject> {
  const { signal } = new AbortController();
  return loadCompose({ ...fixtureOptions(name), ...more }, { signal });
}

/** `compose.yaml:3:5`, with what it came through. */
function place(project: ComposeProject, path: ModelPath): string {
  const origin = originOf(project, path);
  if (origin?.kind !== "file") return origin?.kind ?? "nowhere";
  const shown = (file: string): string => file.slice(project.directory.length + 1);
  const via = origin.via.map(({ kind, file, line }) => ` by ${kind} at ${shown(file)}:${line}`).join("");
  return `${shown(origin.file)}:${origin.line}:${origin.column}${via}`;
}

describe("where values came from", () => {
  it("a value of an override has its file and layer, and what it replaced is kept", async () => {
    const project = await load("override");
    expect(place(project, ["services", "web", "image"])).toBe("compose.override.yaml:3:5");
    expect(originOf(project, ["services", "web", "image"])).toMatchObject({ layer: 1 });
    expect(place(project, ["services", "web", "ports"])).toBe("compose.yaml:8:5");
    expect(place(project, ["services", "web", "environment", "A"])).toBe("compose.yaml:6:20");
    expect(place(project, ["services", "web", "environment", "B"])).toBe("compose.override.yaml:5:19");
    const replaced = project.absorbed.filter(
      ({ why, path }) => why === "replaced" && path.at(-1) === "image",
    );
    expect(replaced).toMatchObject([{ path: ["services", "web", "image"], origin: { line: 3, layer: 0 } }]);
  });

  it("the base alone loads without what comes over it", async () => {
    const base = await load("override", { files: ["compose.yaml"] });
    expect(base.services["web"]?.image).toBe("base");
    expect(Object.keys(base.services)).toEqual(["web", "db"]);
    expect(
      [...base.origins.values()].every(({ origin }) => origin.kind !== "file" || origin.layer <= 0),
    ).toBe(true);
  });

  it("what is extended has its own file, and the extends it came by", async () => {
    const project = await load("extends-file");
    expect(place(project, ["services", "web", "labels", "deep"])).toBe(
      "deeper/more.yaml:4:15 by extends at compose.yaml:3 by extends at common/services.yaml:3",
    );
    expect(place(project, ["services", "web", "volumes", 3])).toBe("compose.yaml:5:15");
  });

  it("what is included has its own file, and the include it came by", async () => {
    const project = await load("include-short");
    expect(place(project, ["services", "db", "image"])).toBe(
      "sub/compose.yaml:2:9 by include at compose.yaml:1",
    );
  });

  it("what came by a merge key or an alias has the place where it is written", async () => {
    const project = await load("anchors");
    expect(place(project, ["services", "one", "image"])).toBe("compose.yaml:2:3 by merge at compose.yaml:10");
    expect(place(project, ["services", "four", "environment"])).toBe("compose.yaml:18:5");
    expect(originOf(project, ["services", "four", "environment"])).toMatchObject({ value: { line: 3 } });
    expect(place(project, ["services", "four", "environment", "A"])).toBe("compose.yaml:3:23");
  });

  it("a short form stands for all that it says, what is filled in is told apart", async () => {
    const project = await load("ports");
    expect(place(project, ["services", "web", "ports", 1, "target"])).toBe("compose.yaml:6:9");
    expect(place(project, ["services", "web", "ports", 1, "protocol"])).toBe("default");
    expect(place(project, ["services", "web", "networks", "default"])).toBe("default");
    expect(place(project, ["networks", "default", "name"])).toBe("default");
  });

  it("a text that variables made keeps itself, and what each of them was", async () => {
    const project = await load("interpolation");
    expect(originOf(project, ["services", "web", "environment", "JOINED"])).toMatchObject({
      raw: "a${VAR}b$VAR-c",
      variables: [
        { name: "VAR", from: "environment" },
        { name: "VAR", from: "environment" },
      ],
    });
    expect(originOf(project, ["services", "web", "environment", "NESTED"])).toMatchObject({
      variables: [
        { name: "VAR", from: "environment" },
        { name: "ALSO_NONE", from: "default" },
        { name: "NONE", from: "default" },
      ],
    });
    expect(project.unset).toEqual([{ name: "NONE", file: project.files[0], line: 11, column: 14 }]);
  });
});

describe("what docker compose config does not print", () => {
  it("env files are kept beside the environment that they make", async () => {
    const project = await load("env-file");
    const long = project.services["long"];
    expect(long?.env_file).toEqual([
      { path: `${project.directory}/missing.env`, required: false },
      { path: `${project.directory}/raw.env`, format: "raw", required: true },
      { path: `${project.directory}/one.env`, required: true },
    ]);
    expect(place(project, ["services", "long", "environment", "DOLLAR"])).toBe("raw.env:3:1");
    expect(project.filesRead).toContain(`${project.directory}/raw.env`);
  });

  it("services of profiles that are off stand apart, in the same form", async () => {
    const project = await load("profiles");
    expect(Object.keys(project.services)).toEqual(["always", "dev", "both"]);
    expect(project.disabledServices["test"]).toMatchObject({ image: "d", networks: { "only-test": null } });
    expect(place(project, ["disabledServices", "test", "image"])).toBe("compose.yaml:5:11");
  });

  it("models, keys of SSH and extensions", async () => {
    const { models } = await load("models");
    expect(models["llm"]).toEqual({ model: "ai/smollm2", context_size: 1024, runtime_flags: ["--a", "--b"] });
    const build = await load("build-full");
    expect(build.services["web"]?.build?.ssh).toEqual({ default: null });
    expect(build.services["web"]?.build?.["x-build"]).toBe(1);
    const { extensions } = await load("extensions");
    expect(extensions).toEqual({
      "x-top": { list: [1, "two", { three: null }], text: "5" },
      "x-scalar": 1.5,
    });
  });

  it("resources that no service uses, sizes as bytes, times as milliseconds, modes as bits", async () => {
    const { configs } = await load("configs");
    expect(configs["unused"]?.name).toBe("un");
    const misc = await load("container-misc");
    expect(misc.services["web"]?.stop_grace_period).toBe(90_000);
    expect((await load("cpu-and-memory")).services["web"]?.mem_limit).toBe(1.5 * 1024 ** 3);
    expect((await load("secrets")).services["web"]?.secrets?.[1]?.mode).toBe(0o400);
  });

  it("what set the name", async () => {
    const names = ["several-files", "environment-names", "name-option", "Odd.Name_here"];
    const projects = await Promise.all(names.map((name) => load(name)));
    expect(projects.map(({ name, nameFrom }) => `${name} ${nameFrom}`)).toEqual([
      "last file",
      "from-env environment",
      "opt_ion-1 option",
      "oddname_here directory",
    ]);
  });
});
