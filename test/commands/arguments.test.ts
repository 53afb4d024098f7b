import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../src/commands/arguments.js";
import { DevloopError } from "../../src/lib/errors.js";

/** The command that was understood, with its options. */
function parsed(line: string) {
  const invocation = parseCommandLine(line.split(" "));
  if (invocation.kind !== "command") throw new Error(`${line} is ${invocation.kind}`);
  return { ...invocation, name: invocation.command.name };
}

function refused(line: string): { message: string; hint: string | undefined } {
  try {
    parseCommandLine(line.split(" "));
  } catch (error) {
    if (!(error instanceof DevloopError) || error.code !== "USAGE") throw error;
    return { message: error.message, hint: error.hint };
  }
  throw new Error(`${line} is understood`);
}

describe("parseCommandLine", () => {
  it.each(["--version", "-V", "-v", "version"])("%s asks for the version", (word) => {
    expect(parseCommandLine([word])).toEqual({ kind: "version" });
  });

  it.each([[[]], [["--help"]], [["-h"]], [["help"]]])("%j asks for the overview", (argv) => {
    expect(parseCommandLine(argv)).toEqual({ kind: "help" });
  });

  it.each(["up --help", "up -h", "help up", "up --output json --help"])(
    "%s asks for a command's help",
    (line) => {
      expect(parseCommandLine(line.split(" "))).toMatchObject({ kind: "help", command: { name: "up" } });
    },
  );

  it("reads long, short and attached options", () => {
    for (const line of [
      "up --output json --file a.yaml",
      "up -o json -f a.yaml",
      "up --output=json -fa.yaml",
    ]) {
      const { name, options } = parsed(line);
      expect([name, options.value("output"), options.value("file")]).toEqual(["up", "json", "a.yaml"]);
    }
  });

  it("knows a switch from one that is left out", () => {
    const { options } = parsed("down --dry-run");
    expect([options.flag("dry-run"), options.flag("volumes")]).toEqual([true, false]);
  });

  it("takes an option's own values only, each time that it is given", () => {
    expect(parsed("run --attest sbom --attest provenance-max").options.values("attest")).toEqual([
      "sbom",
      "provenance-max",
    ]);
    expect(refused("run --attest sbom --attest all").message).toBe(
      "--attest takes sbom, provenance, provenance-max, not all",
    );
  });

  it("collects profiles; one with a dash before it is switched off", () => {
    expect(parsed("up -p ci --profile -local -p=x").options.values("profile")).toEqual([
      "ci",
      "-local",
      "=x",
    ]);
    expect(parsed("up").options.values("profile")).toEqual([]);
  });

  it("takes operands where a command has them, also after --", () => {
    expect(parsed("explain a b -p ci").operands).toEqual(["a", "b"]);
    expect(parsed("explain -- --strange").operands).toEqual(["--strange"]);
  });

  it.each([
    ["upp", "unknown command upp — did you mean up?", "devloop --help"],
    ["help upp", "unknown command upp — did you mean up?", "devloop --help"],
    ["-p ci up", "options stand after the command, and -p stands before it", "devloop --help"],
    ["up --outputt json", "unknown option --outputt — did you mean --output?", "devloop up --help"],
    ["up --output xml", "--output takes auto, ui, plain, json, not xml", "devloop up --help"],
    ["run --output ui", "--output takes plain, json, not ui", "devloop run --help"],
    ["run --timeout", "--timeout needs a value", "devloop run --help"],
    ["up extra", "up takes nothing besides its options, not extra", "devloop up --help"],
    [
      "completion bash zsh",
      "completion takes one word besides its options, not bash zsh",
      "devloop completion --help",
    ],
  ])("%s is refused: %s", (line, message, hint) => {
    expect(refused(line)).toEqual({ message, hint });
  });
});
