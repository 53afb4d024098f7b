import { DevloopError } from "../lib/errors.js";
import { commands, type CommandSpec, type OptionSpec } from "./catalog.js";

/** `devloop completion SHELL`: prints a script to be sourced. Throws USAGE for a shell it does not know. */
export function completionCommand(shell: string | undefined): number {
  process.stdout.write(completionScript(shell));
  return 0;
}

/** The completion script of a shell, made from the catalog. */
export function completionScript(shell: string | undefined): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return `#compdef devloop\nautoload -U +X bashcompinit && bashcompinit\n${bash()}`;
    case "fish":
      return fish();
    default:
      throw new DevloopError("USAGE", `completion needs a shell: bash, zsh or fish`, {
        hint: "source <(devloop completion bash)",
      });
  }
}

const words = ({ options }: CommandSpec): string =>
  ["--help", ...options.map(({ name }) => `--${name}`)].join(" ");

function bash(): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `_devloop() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  case \${COMP_WORDS[1]}$previous in
${bashValues().join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${names} --help --version" -- "$current")); return; fi
  case \${COMP_WORDS[1]} in
${commands.map((command) => `    ${command.name}) COMPREPLY=($(compgen -W "${bashWords(command)}" -- "$current")${command.name === "explain" ? ' $(compgen -f -- "$current")' : ""}) ;;`).join("\n")}
  esac
}
complete -F _devloop devloop
`;
}

/** Lines of `case` for the values of options: `run--output`, since commands offer different ones. */
function bashValues(): string[] {
  return commands.flatMap(({ name: command, options }) =>
    options.flatMap(({ name, short, value, choices }) => {
      if (value === undefined) return [];
      const reply = choices ? `-W "${choices.join(" ")}"` : value === "FILE" ? "-f" : `-W ""`;
      const patterns = [`${command}--${name}`, ...(short === undefined ? [] : [`${command}-${short}`])];
      return [`    ${patterns.join("|")}) COMPREPLY=($(compgen ${reply} -- "$current")); return ;;`];
    }),
  );
}

const bashWords = (command: CommandSpec): string =>
  command.name === "completion" ? `bash zsh fish ${words(command)}` : words(command);

function fish(): string {
  const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const option = (command: string, { name, short, value, about, choices }: OptionSpec): string =>
    [
      `complete -c devloop -n '__fish_seen_subcommand_from ${command}' -l ${name}`,
      ...(short === undefined ? [] : [`-s ${short}`]),
      ...(value === undefined ? [] : ["-r"]),
      ...(choices === undefined ? [] : [`-f -a ${quote(choices.join(" "))}`]),
      `-d ${quote(about)}`,
    ].join(" ");
  return [
    ...commands.map(
      ({ name, about }) => `complete -c devloop -n __fish_use_subcommand -f -a ${name} -d ${quote(about)}`,
    ),
    ...commands.flatMap((command) => command.options.map((each) => option(command.name, each))),
    "complete -c devloop -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'",
    "",
  ].join("\n");
}
