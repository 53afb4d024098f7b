import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { commands } from "../../src/commands/catalog.js";
import { completionScript } from "../../src/commands/completion.js";

/** What bash offers for the words, the last of which is being typed. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const program = `${completionScript("bash")}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _devloop; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await execa("bash", ["-c", program, "bash", "devloop", ...words]);
  return stdout.split("\n").filter((line) => line !== "");
}

describe("completion for bash", () => {
  it("is a script that bash can read", async () => {
    await expect(execa("bash", ["-n"], { input: completionScript("bash") })).resolves.toMatchObject({
      stderr: "",
    });
  });

  it.each([
    [["u"], ["up"]],
    [["co"], ["config", "completion"]],
    [["--v"], ["--version"]],
    [
      ["down", "--d"],
      ["--dry-run", "--docker"],
    ],
    [["completion", "z"], ["zsh"]],
    [["run", "--timeout", ""], []],
    [
      ["up", "--output", ""],
      ["auto", "ui", "plain", "json"],
    ],
    [
      ["run", "-o", ""],
      ["plain", "json"],
    ],
  ])("offers for %j: %j", async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  it("offers files where a file is asked for", async () => {
    expect(await offered("render", "-f", "package.j")).toEqual(["package.json"]);
    expect(await offered("explain", "README")).toEqual(["README.md"]);
  });
});

describe("completion for other shells", () => {
  it("zsh takes the script of bash", () => {
    const script = completionScript("zsh");
    expect(script.startsWith("#compdef devloop\n")).toBe(true);
    expect(script.endsWith(completionScript("bash"))).toBe(true);
  });

  it("fish is told every command, and quotes are escaped", () => {
    const lines = completionScript("fish").split("\n");
    expect(lines.filter((line) => line.includes("__fish_use_subcommand"))).toHaveLength(commands.length);
    expect(lines.some((line) => line.includes("-l output -s o -r -f -a 'plain json'"))).toBe(true);
    for (const line of lines) expect((line.replaceAll("\\'", "").match(/'/g) ?? []).length % 2).toBe(0);
  });

  it.each([undefined, "tcsh"])("%s is no shell it knows", (shell) => {
    expect(() => completionScript(shell)).toThrow("completion needs a shell: bash, zsh or fish");
  });
});
