import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpolate, type Lookup } from "../../src/config/interpolate.js";
import { project, yaml } from "./project.js";

const variables: Readonly<Record<string, string>> = {
  SET: "value",
  EMPTY: "",
  DOLLAR: "${SET}$$",
  _x1: "under",
};
const lookup: Lookup = (name) => {
  const value = variables[name];
  return value === undefined ? undefined : { value, from: "environment" };
};

describe("replaces variables", () => {
  it.each([
    ["${SET}", "value"],
    ["a${SET}b${_x1}c", "avaluebunderc"],
    ["${EMPTY}", ""],
    ["${SET:-x}", "value"],
    ["${EMPTY:-x}", "x"],
    ["${EMPTY-x}", ""],
    ["${NONE:-x}", "x"],
    ["${NONE-x}", "x"],
    ["${NONE:-}", ""],
    ["${SET:?needed}", "value"],
    ["${EMPTY?needed}", ""],
    ["${NONE:-a b:c?d-e}", "a b:c?d-e"],
    ["${NONE:-${SET}}!", "value!"],
    ["${NONE:-${NOR:-deep}}", "deep"],
    ['${NONE:-{"a": {}}}', '{"a": {}}'],
    ["${SET:-${NONE}}", "value"],
    ["${SET:-${NONE:?never asked}}", "value"],
    ["$$", "$"],
    ["$${SET}", "${SET}"],
    ["$$$${SET}", "$${SET}"],
    ["$$${SET}", "$value"],
    ["$SET costs $5 $", "$SET costs $5 $"],
    ["${DOLLAR}", "${SET}$$"],
  ])("%s", (text, expected) => {
    expect(interpolate(text, lookup)).toMatchObject({ text: expected, failures: [] });
  });

  it("says which variables made the text, and where they came from", () => {
    expect(interpolate("${SET}${NONE:-${_x1}}", lookup).variables).toEqual([
      { name: "SET", from: "environment" },
      { name: "_x1", from: "environment" },
      { name: "NONE", from: "default" },
    ]);
  });
});

describe("says what cannot be replaced", () => {
  it.each([
    ["a ${NONE} b", "${NONE}", "NONE is not set"],
    ["${NONE:?the port of the API}", "${NONE:?the port of the API}", "NONE is not set: the port of the API"],
    ["${EMPTY:?}", "${EMPTY:?}", "EMPTY is not set"],
    ["${NONE?ask ${SET}}", "${NONE?ask ${SET}}", "NONE is not set: ask value"],
    ["${NONE:-${NOR}}", "${NOR}", "NOR is not set"],
    ["${}", "${}", "${} is not a reference to a variable"],
    ["${1A}", "${1A}", "${1A} is not a reference to a variable"],
    ["${SET+x}", "${SET+x}", "${SET+x} is not a reference to a variable"],
    ["x${SET", "${SET", "${SET has no closing }"],
    ["x${SET:-a", "${SET:-a", "${SET:-a has no closing }"],
    ["${SET:-${NONE}", "${SET:-${NONE}", "${SET:-${NONE} has no closing }"],
  ])("%s", (text, reference, message) => {
    expect(interpolate(text, lookup).failures).toMatchObject([{ reference, message }]);
  });
});

it("text without $ is unchanged", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (raw) => {
      const text = raw.replaceAll("$", "");
      expect(interpolate(text, lookup)).toEqual({ text, variables: [], failures: [] });
    }),
  );
});

it("any text survives with its $ doubled", () => {
  const unit = fc.constantFrom("$", "{", "}", ":", "-", "?", "S", "SET", " ");
  fc.assert(
    fc.property(fc.array(unit), (parts) => {
      const text = parts.join("");
      expect(interpolate(text.replaceAll("$", "$$$$"), lookup).text).toBe(text);
    }),
  );
});

it("any text ends, and nothing is invented", () => {
  const unit = fc.constantFrom("$", "${", "}", "{", ":-", "-", ":?", "SET", "NONE", "${SET}", "x");
  fc.assert(
    fc.property(fc.array(unit), (parts) => {
      const { text, failures } = interpolate(parts.join(""), lookup);
      if (failures.length === 0) expect(text.length).toBeLessThanOrEqual(parts.length * 5);
    }),
  );
});

describe("in devloop.yaml", () => {
  it("the environment wins over .env, .env over a default", async () => {
    await using demo = await project({
      "devloop.yaml": yaml(
        "images: { web: { args: { A: '${A:-d}', B: '${B:-d}', C: '${C:-d}', D: $$HOME } } }\n",
      ),
      ".env": "A=file\nB=file\n",
    });
    const { config } = await demo.load({ env: { A: "environment" } });
    expect(config.images["web"]?.args).toEqual({ A: "environment", B: "file", C: "d", D: "$HOME" });
  });

  it("a value that reads like a number or boolean is one where one is expected, quoted or not", async () => {
    await using demo = await project(
      yaml(
        'forwards:\n  - service: web\n    local: ${PORT:-8888}\n    remote: 80\n    strict: ${STRICT}\n  - { pod: web, local: "${PORT}1", remote: "${REMOTE}" }\nlimits: { builds: 0x2 }\n',
      ),
    );
    const { config } = await demo.load({ env: { STRICT: "True", PORT: "70", REMOTE: "http" } });
    expect(config.forwards).toMatchObject([
      { local: 70, remote: 80, strict: true },
      { local: 701, remote: "http" },
    ]);
    const other = await demo.load({ env: { STRICT: "false", PORT: "0x10", REMOTE: "81" } });
    expect(other.config.forwards).toMatchObject([{ local: 16, strict: false }, { remote: 81 }]);
  });

  it("text stays text: 1.10 is not 1.1 in a build argument", async () => {
    await using demo = await project(
      yaml("images:\n  web:\n    target: 1\n    args: { A: 1.10, B: true, C: '${V}', D: 0x1F, E: '007' }\n"),
    );
    const web = (await demo.load({ env: { V: "1.20" } })).config.images["web"];
    expect(web?.args).toEqual({ A: "1.10", B: "true", C: "1.20", D: "0x1F", E: "007" });
    expect(web?.target).toBe("1");
  });

  it("an optional value that a variable leaves empty is not given", async () => {
    await using demo = await project(
      yaml(
        "images:\n  web:\n    target: ${T:-}\n    context: ${C}\n    args: { A: '${T:-}' }\nlimits:\n  builds: ${N:-}\n",
      ),
    );
    const { config } = await demo.load({ env: { C: "" } });
    expect(config.images["web"]).toMatchObject({ context: ".", args: { A: "" } });
    expect(config.images["web"]).not.toHaveProperty("target");
    expect(config.limits.builds).toBeGreaterThan(0);
  });

  it("an unset variable is named at its own place", async () => {
    await using demo = await project(
      yaml('images:\n  web:\n    context: "a/${ONE}/${TWO:?the directory}"\n'),
    );
    const failure = await demo.failure();
    expect(failure.message).toBe("devloop.yaml:5:17 ONE is not set");
    expect(failure.hint).toBe("set it in the environment or in .env, or give a default: ${ONE:-value}");
    expect(failure.detail).toContain("devloop.yaml:5:24 TWO is not set: the directory");
  });

  it("keys are not interpolated", async () => {
    await using demo = await project(yaml("images: { web: { args: { 'A${B}': x } } }\n"));
    expect((await demo.load()).config.images["web"]?.args).toEqual({ "A${B}": "x" });
  });
});
