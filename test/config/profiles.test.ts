import { describe, expect, it } from "vitest";
import { project, yaml } from "./project.js";

const file = yaml(`cluster: { provider: kind, name: dev, allow: [a, b] }
images:
  web: { context: web, args: { A: base, B: base } }
forwards:
  - { service: web, remote: 80 }
profiles:
  ci:
    activation: [{ env: CI }]
    cluster: { name: ci, allow: [c] }
    images:
      web: { args: { B: ci, C: "\${BUILD_ID}" } }
      extra: {}
    forwards: []
  shared:
    activation:
      - { context: kind-*, env: TEAM=blue }
      - { context: staging }
    cluster: { name: shared }
  plain:
    images: { web: }
`);

describe("profiles", () => {
  it("merge maps and replace lists and values, over what stands without them", async () => {
    await using demo = await project(file);
    const { config, profiles } = await demo.load({ profiles: ["ci"], env: { BUILD_ID: "7" } });
    expect(profiles).toEqual(["ci"]);
    expect(config.cluster).toMatchObject({ provider: "kind", name: "ci", allow: ["c"] });
    expect(config.images["web"]).toMatchObject({ context: "web", args: { A: "base", B: "ci", C: "7" } });
    expect(Object.keys(config.images)).toEqual(["web", "extra"]);
    expect(config.forwards).toEqual([]);
  });

  it("are merged in the order they are declared, whatever order they are asked for", async () => {
    await using demo = await project(file);
    const { config, profiles } = await demo.load({ profiles: ["shared", "ci"], env: { BUILD_ID: "7" } });
    expect(profiles).toEqual(["ci", "shared"]);
    expect(config.cluster.name).toBe("shared");
  });

  it.each<[string, Record<string, string>, string | undefined, string[], string[]]>([
    ["a variable that is set", { CI: "true", BUILD_ID: "" }, undefined, [], ["ci"]],
    ["an empty variable does not", { CI: "" }, undefined, [], []],
    ["switched off by name", { CI: "true" }, undefined, ["-ci"], []],
    ["the last mention counts", { CI: "true", BUILD_ID: "" }, undefined, ["-ci", "ci"], ["ci"]],
    ["both of an entry", { TEAM: "blue" }, "kind-a", [], ["shared"]],
    ["one of two is not enough", { TEAM: "red" }, "kind-a", [], []],
    ["no context, no match", { TEAM: "blue" }, undefined, [], []],
    ["any entry will do", {}, "staging", [], ["shared"]],
    ["a context's whole name", {}, "staging-2", [], []],
  ])("activate themselves: %s", async (_what, env, context, asked, active) => {
    await using demo = await project(file);
    expect((await demo.load({ env, context, profiles: asked })).profiles).toEqual(active);
  });

  it("activate themselves beside others, once all of those are active", async () => {
    const text = yaml(`forwards: []
profiles:
  both:
    activation: [{ profiles: [a, b] }, { profiles: [a], env: ALSO }]
  a: { activation: [{ env: A }] }
  b: {}
  chained: { activation: [{ profiles: [both] }] }
`);
    await using demo = await project(text);
    const active = async (profiles: string[], env: Record<string, string> = {}) =>
      (await demo.load({ profiles, env })).profiles;
    expect(await active(["a"])).toEqual(["a"]);
    expect(await active(["b"], { A: "1" })).toEqual(["both", "a", "b"]);
    expect(await active(["a"], { ALSO: "1" })).toEqual(["both", "a"]);
    expect(await active(["a", "b", "-both"])).toEqual(["a", "b"]);
    expect(await active(["both"])).toEqual(["both", "chained"]);
    await using other = await project(text.replace("[both]", "[bth]"));
    await expect(other.load()).rejects.toThrow('no profile "bth" — did you mean "both"?');
  });

  it("an empty section changes nothing", async () => {
    await using demo = await project(file);
    const { config } = await demo.load({ profiles: ["plain"] });
    expect(config.images["web"]?.args).toEqual({ A: "base", B: "base" });
  });

  it("need their variables only while active", async () => {
    await using demo = await project(file);
    await expect(demo.load()).resolves.toMatchObject({ profiles: [] });
    expect((await demo.failure({ profiles: ["ci"] })).message).toBe("devloop.yaml:13:33 BUILD_ID is not set");
  });

  it("a checked value that only another profile's variable would give is not complained about", async () => {
    await using demo = await project(
      yaml('profiles:\n  x:\n    limits: { builds: "${N}" }\n    forwards: [{ pod: a, remote: "${P}" }]\n'),
    );
    await expect(demo.load()).resolves.toMatchObject({ profiles: [] });
  });

  it("a value that the active profile replaces does not need its variable", async () => {
    await using demo = await project(
      yaml("cluster: { name: '${UNSET}' }\nprofiles: { ci: { cluster: { name: x } } }\n"),
    );
    expect((await demo.load({ profiles: ["ci"] })).config.cluster.name).toBe("x");
  });

  it("a name that is not there is refused with those that are", async () => {
    await using demo = await project(file);
    const failure = await demo.failure({ profiles: ["-share"] });
    expect([failure.code, failure.message, failure.hint]).toEqual([
      "CONFIG_INVALID",
      'devloop.yaml has no profile "share" — did you mean "shared"?',
      "its profiles: ci, shared, plain",
    ]);
    await using bare = await project(yaml(""));
    expect((await bare.failure({ profiles: ["ci"] })).hint).toBe("it declares no profiles");
  });
});

describe("anchors and merge keys", () => {
  it("bring what they name, own keys first, each with its place", async () => {
    await using demo = await project(
      yaml(`images:
  web: &web { context: web, args: &args { A: 1, B: 2 } }
  api:
    <<: *web
    args:
      <<: [*args, { C: 3, A: 9 }]
      B: 5
`),
    );
    const { config, origins } = await demo.load();
    expect(config.images["api"]).toMatchObject({ context: "web", args: { A: "1", B: "5", C: "3" } });
    expect(origins.get("images.api.args.A")).toMatchObject({ line: 4, column: 46 });
    expect(origins.get("images.api.args.B")).toMatchObject({ line: 9, column: 10 });
  });
});
