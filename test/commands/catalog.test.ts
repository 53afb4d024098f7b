import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../src/commands/arguments.js";
import { commandHelp, commands, overview } from "../../src/commands/catalog.js";

describe("the catalog", () => {
  it("lists every command in the overview", () => {
    const text = overview();
    for (const { name, about } of commands)
      expect(text).toMatch(new RegExp(`^  ${name} +${about.slice(0, 10)}`, "m"));
  });

  it.each(commands)("tells every option of $name in one column, and takes each", (command) => {
    const text = commandHelp(command);
    const columns = new Set<number>();
    for (const { name, short, value, about, choices } of command.options) {
      const line = text.split("\n").find((each) => each.includes(`--${name}`)) ?? "";
      expect(line).toContain(about);
      columns.add(line.indexOf(about));
      const given = value === undefined ? [] : [choices?.[0] ?? "x"];
      for (const word of [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]) {
        expect(parseCommandLine([command.name, word, ...given])).toMatchObject({ kind: "command" });
      }
    }
    expect(columns.size).toBeLessThanOrEqual(1);
    expect(text).toContain(`usage: devloop ${command.name}`);
  });
});
