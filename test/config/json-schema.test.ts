import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { devloopJsonSchema } from "../../src/config/json-schema.js";

type Schema = Record<string, unknown> & { properties?: Record<string, Schema> };

describe("the JSON Schema", () => {
  const schema = devloopJsonSchema() as Schema;

  it("in schema/ is the one the code makes (npm run schema writes it)", async () => {
    const file = new URL("../../schema/devloop.schema.json", import.meta.url);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(schema);
  });

  it("describes every key", () => {
    const silent: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [name, property] of Object.entries((node as Schema).properties ?? {})) {
        if (typeof property["description"] !== "string") silent.push(`${path}.${name}`);
      }
      for (const [key, child] of Object.entries(node)) visit(child, `${path}.${key}`);
    };
    visit(schema, "");
    expect(silent).toEqual([]);
  });

  it("lets ${VAR} stand where a number, a boolean or a choice is expected", () => {
    const cluster = schema.properties?.["cluster"]?.properties;
    const variable = { type: "string", pattern: "\\$\\{" };
    expect(cluster?.["provider"]?.["anyOf"]).toContainEqual(variable);
    expect(cluster?.["create"]?.["anyOf"]).toEqual([{ type: "boolean" }, variable]);
  });

  it("takes no unknown key and says nothing of this machine", () => {
    expect(schema["additionalProperties"]).toBe(false);
    expect(schema.properties?.["limits"]?.properties?.["builds"]).not.toHaveProperty("default");
  });
});
