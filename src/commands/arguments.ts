import { parseArgs } from "node:util";
import { DevloopError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { commands, findCommand, type CommandSpec } from "./catalog.js";

/** A command line, understood. */
export type Invocation =
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly command?: CommandSpec }
  | {
      readonly kind: "command";
      readonly command: CommandSpec;
      readonly operands: readonly string[];
      readonly options: ParsedOptions;
    };

/** The options given, by their names. */
export interface ParsedOptions {
  readonly flag: (name: string) => boolean;
  readonly value: (name: string) => string | undefined;
  readonly values: (name: string) => readonly string[];
}

/** Reads the arguments after `devloop`. Throws USAGE naming the word, with the nearest valid one. */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const [name, ...rest] = argv;
  if (name === "--version" || name === "-V" || name === "-v" || name === "version")
    return { kind: "version" };
  if (name === undefined || name === "--help" || name === "-h") return { kind: "help" };
  if (name === "help") {
    const [topic] = rest;
    return topic === undefined ? { kind: "help" } : { kind: "help", command: commandNamed(topic) };
  }
  if (name.startsWith("-")) {
    throw new DevloopError("USAGE", `options stand after the command, and ${name} stands before it`, {
      hint: "devloop --help",
    });
  }
  const command = commandNamed(name);
  if (rest.includes("--help") || rest.includes("-h")) return { kind: "help", command };
  return { kind: "command", command, ...parseOptions(command, rest) };
}

function commandNamed(name: string): CommandSpec {
  const names = commands.map((command) => command.name);
  const command = findCommand(name);
  if (!command) throw unknown("command", name, names);
  return command;
}

function parseOptions(
  command: CommandSpec,
  argv: readonly string[],
): { operands: string[]; options: ParsedOptions } {
  const options = Object.fromEntries(
    command.options.map(({ name, short, value, multiple }) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        ...(short === undefined ? {} : { short }),
        ...(multiple ? { multiple: true } : {}),
      },
    ]),
  );
  const parsed = parse(command, argv, options);
  for (const { name, choices } of command.options) {
    const given = [parsed.values[name] ?? []].flat().filter((value) => typeof value === "string");
    const unknown = given.find((value) => !choices?.includes(value));
    if (choices && unknown !== undefined) {
      throw new DevloopError("USAGE", `--${name} takes ${choices.join(", ")}, not ${unknown}`, {
        hint: helpHint(command),
      });
    }
  }
  const most = command.operands === undefined ? 0 : command.operands.endsWith("…") ? Infinity : 1;
  if (parsed.positionals.length > most) {
    const much = most === 0 ? "nothing" : "one word";
    throw new DevloopError(
      "USAGE",
      `${command.name} takes ${much} besides its options, not ${parsed.positionals.join(" ")}`,
      { hint: helpHint(command) },
    );
  }
  return {
    operands: parsed.positionals,
    options: {
      flag: (name) => parsed.values[name] === true,
      value: (name) => {
        const given = parsed.values[name];
        return typeof given === "string" ? given : undefined;
      },
      values: (name) => {
        const given = parsed.values[name];
        return Array.isArray(given) ? given.filter((each) => typeof each === "string") : [];
      },
    },
  };
}

function parse(
  command: CommandSpec,
  argv: readonly string[],
  options: Record<string, { type: "boolean" | "string"; short?: string; multiple?: boolean }>,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: attachProfiles(argv), options, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const word = /Unknown option '(-[^' ,]*)/.exec(message)?.[1];
    const lacking = /Option '(?:-\w, )?(--\S+) <value>' argument missing/.exec(message)?.[1];
    if (lacking !== undefined)
      throw new DevloopError("USAGE", `${lacking} needs a value`, { cause: error, hint: helpHint(command) });
    if (word === undefined)
      throw new DevloopError("USAGE", firstSentence(message), { cause: error, hint: helpHint(command) });
    throw unknown(
      "option",
      word,
      command.options.map(({ name }) => `--${name}`),
      helpHint(command),
    );
  }
}

/** `-p -ci` switches a profile off: parseArgs would take `-ci` for options of its own. */
function attachProfiles(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of argv) {
    const before = joined.at(-1);
    if ((before === "-p" || before === "--profile") && word.startsWith("-"))
      joined[joined.length - 1] = `--profile=${word}`;
    else joined.push(word);
  }
  return joined;
}

const firstSentence = (message: string): string =>
  (message.split(". ")[0] ?? message).replace(/^./, (first) => first.toLowerCase());
const helpHint = (command: CommandSpec): string => `devloop ${command.name} --help`;

function unknown(
  what: string,
  word: string,
  candidates: readonly string[],
  hint = "devloop --help",
): DevloopError {
  const close = nearest(word, candidates);
  return new DevloopError(
    "USAGE",
    `unknown ${what} ${word}${close === undefined ? "" : ` — did you mean ${close}?`}`,
    { hint },
  );
}
