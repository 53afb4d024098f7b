import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseCommandLine } from "../../src/commands/arguments.js";
import { commands } from "../../src/commands/catalog.js";
import { commandsOfReadme, inlineCode, readmeBlocks, readmeCommands } from "./readme-commands.js";

const root = new URL("../../", import.meta.url);
const { scripts, bin } = JSON.parse(await readFile(new URL("package.json", root), "utf8")) as {
  scripts: Record<string, string>;
  bin: Record<string, string>;
};

describe("README", () => {
  it("has no command that no test runs, but for those with a reason", async () => {
    expect([...new Set(await commandsOfReadme())].sort()).toEqual(Object.keys(readmeCommands).sort());
  });

  it("names only commands and options that there are", async () => {
    const code = [...(await commandsOfReadme()), ...(await inlineCode())];
    const own = code.flatMap((line) => /^(?:npx )?devloop ([a-z].*)$/.exec(line)?.[1] ?? []);
    expect(own.length).toBeGreaterThan(5);
    // A word in capitals stands for one; `init`, `up --detach` and the like are parsed as they are.
    for (const line of own) expect(() => parseCommandLine(line.split(" ")), `devloop ${line}`).not.toThrow();
    const run = code.flatMap(
      (line) => /^npm (?:run )?(start|test|bench|[a-z]+:[a-z0-9]+)\b/.exec(line)?.[1] ?? [],
    );
    for (const script of run) expect(scripts).toHaveProperty([script]);
    expect(bin).toHaveProperty("devloop");
  });

  it("lists every command that there is", async () => {
    const text = await readFile(new URL("README.md", root), "utf8");
    const table = text.slice(text.indexOf("## Commands"), text.indexOf("## Safety"));
    const listed = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([a-z]+)/g)].map(([, name = ""]) => name),
    );
    expect(listed.sort()).toEqual(commands.map(({ name }) => name).sort());
  });

  it.each(["README.md", "docs/compared.md", "docs/first-start.md"])(
    "%s leads to files that are there",
    async (page) => {
      const at = new URL(page, root);
      const text = await readFile(at, "utf8");
      const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target);
      const local = links.filter((target) => !/^https?:/.test(target));
      for (const target of local) expect(existsSync(new URL(target, at)), target).toBe(true);
    },
  );

  it("shows YAML that parses", async () => {
    const blocks = await readmeBlocks("yaml");
    expect(blocks).toHaveLength(2);
    for (const block of blocks) expect(parse(block)).toBeTypeOf("object");
  });
});
