import { describe, expect, it } from "vitest";
import { loadCompose } from "../../../src/migrate/compose/load.js";
import { toConfigJson } from "./config-json.js";
import { expectedConfig, fixtureNames, fixtureOptions } from "./fixture.js";

describe("a project is what docker compose config makes of it", () => {
  it.each(fixtureNames())("%s", async (name) => {
    const project = await loadCompose(fixtureOptions(name), { signal: new AbortController().signal });
    expect(toConfigJson(project)).toEqual(expectedConfig(name));
  });
});
