import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { controlJsonSchema } from "../../src/control/json-schema.js";
import { requests } from "../../src/control/protocol.js";

it("schema/control.schema.json is current (npm run schema)", () => {
  const file = new URL("../../schema/control.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(controlJsonSchema());
});

it("docs/control.md names every path that takes a request", () => {
  const docs = readFileSync(new URL("../../docs/control.md", import.meta.url), "utf8");
  for (const name of Object.keys(requests)) expect(docs).toContain(`/v1/${name}`);
});
