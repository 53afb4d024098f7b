import { describe, expect, it } from "vitest";
import { keyPaths } from "../../../src/migrate/compose/model.js";
import { fixtureNames } from "../compose/fixture.js";
import { convertFixture } from "./projects.js";

describe("every key is accounted for", () => {
  it.each(fixtureNames())("%s: each by a rule, and the same comes of it twice", async (name) => {
    const { project, report, files } = await convertFixture(name);
    const there = [...keyPaths(project), ...project.absorbed].map(({ path }) => JSON.stringify(path));
    const told = report.map(({ path }) => JSON.stringify(path));
    expect(told.sort()).toEqual(there.sort());
    expect(report.filter(({ unclaimed }) => unclaimed).map(({ path }) => path.join("."))).toEqual([]);
    for (const { text } of report) expect(text).not.toBe("");
    expect((await convertFixture(name)).files).toEqual(files);
  });
});
