import { escapeExpansion } from "../expansion.js";
import { rewriteHosts } from "../hosts.js";
import type { Part, ServiceView } from "../plan.js";

/** `entrypoint`, `command`, `working_dir`, `stdin_open`, `tty`. */
export function commandRule(view: ServiceView): Part {
  const { service } = view;
  const { entrypoint, command, working_dir: workingDir } = service;
  const words = (key: "entrypoint" | "command") => argumentsOf(view, key, service[key] ?? []);
  const cleared = entrypoint?.length === 0;
  if (entrypoint === null) view.say("converted", ["entrypoint"], "null: the image's own");
  if (command === null) view.say("converted", ["command"], "null: the image's own");
  if (cleared) sayCleared(view, command ?? []);
  else if (entrypoint) view.say("converted", ["entrypoint"], "command of the container");
  if (command?.length === 0) {
    const text = "the image's arguments cannot be cleared: they are used, unless entrypoint is set";
    view.say(entrypoint ? "converted" : "decision", ["command"], entrypoint ? "no arguments" : text);
  } else if (command) {
    view.say(
      "converted",
      ["command"],
      cleared ? "command of the container: there is no entrypoint" : "args of the container",
    );
  }
  if (workingDir !== undefined) view.say("converted", ["working_dir"], "workingDir of the container");
  for (const key of ["stdin_open", "tty"] as const) {
    if (service[key] !== undefined)
      view.say("converted", [key], `${key === "tty" ? "tty" : "stdin"} of the container`);
  }
  const argv = words("command");
  return {
    container: {
      command: cleared ? nonEmpty(argv) : nonEmpty(words("entrypoint")),
      args: cleared ? undefined : nonEmpty(argv),
      workingDir,
      stdin: service.stdin_open || undefined,
      tty: service.tty || undefined,
    },
  };
}

function sayCleared(view: ServiceView, command: readonly string[]): void {
  view.say(
    command.length > 0 ? "converted" : "decision",
    ["entrypoint"],
    command.length > 0
      ? "cleared: command takes the place of the image's entrypoint"
      : "the image's entrypoint cannot be cleared without a command: name the program to run",
  );
}

const nonEmpty = (words: readonly string[]): readonly string[] | undefined =>
  words.length === 0 ? undefined : words;

function argumentsOf(view: ServiceView, key: string, words: readonly string[]): readonly string[] {
  return words.map((word, index) => {
    const { text, renamed } = rewriteHosts(word, view.names.renamedHosts, { bare: true });
    for (const host of renamed) {
      const to = view.names.renamedHosts.get(host) ?? host;
      view.say("approximated", [key, index], `${host} is no DNS name in a cluster: ${to} stands here now`);
    }
    return escapeExpansion(text);
  });
}
