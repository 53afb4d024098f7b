import type { Attestation } from "../build/frontend-attributes.js";

/** One option of a command; `value` names what it takes, and is left out for a switch. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  readonly value?: string;
  /** May be given several times. */
  readonly multiple?: true;
  readonly about: string;
  /** What completion offers for the value. */
  readonly choices?: readonly string[];
}
export interface CommandSpec {
  readonly name: string;
  readonly about: string;
  /** Names of the operands, for the usage line; `PATH…` takes one or more. */
  readonly operands?: string;
  readonly options: readonly OptionSpec[];
  /** Further paragraphs of the help text. */
  readonly notes?: readonly string[];
}

const file: OptionSpec = {
  name: "file",
  short: "f",
  value: "FILE",
  about: "the config file (default: devloop.yaml here or in a directory above)",
};
const profile: OptionSpec = {
  name: "profile",
  short: "p",
  value: "NAME",
  multiple: true,
  about: "a profile to merge over the config; -NAME leaves one out that is active by itself",
};
const json: OptionSpec = { name: "json", about: "print JSON" };
const project = [file, profile];
const inline: OptionSpec = {
  name: "inline",
  about: "the screen as lines that scroll in the terminal's own buffer, and a few rows that stay below them",
};
const notify: OptionSpec = {
  name: "notify",
  value: "HOW",
  choices: ["none", "bell", "desktop"],
  about:
    "how the screen makes a failure heard, once: the terminal's bell, or a notification of the desktop (default: ui.notify)",
};

const attestations = ["sbom", "provenance", "provenance-max"] as const satisfies readonly Attestation[];

/** Every command with its options: what the parser, --help and the shell completions are made from. */
export const commands: readonly CommandSpec[] = [
  {
    name: "up",
    about:
      "keep the cluster equal to the working tree: watch, build, load, apply, show health, logs and forwards",
    options: [
      ...project,
      {
        name: "output",
        short: "o",
        value: "MODE",
        choices: ["auto", "ui", "plain", "json"],
        about:
          "auto: the screen (ui) in a terminal, plain lines elsewhere; json: one event a line (docs/events.md)",
      },
      { name: "detach", short: "d", about: "run in the background; attach, logs, status and stop find it" },
      { name: "cleanup", about: "remove what was deployed when it ends" },
      inline,
      notify,
      { name: "no-logs", about: "plain output without the containers' lines" },
    ],
    notes: [
      "ctrl-c ends devloop; what is deployed keeps running, unless --cleanup is given.",
      "one loop runs for a project: a second up in a terminal shows the first one's screen. When its terminal goes away, the loop goes on without a screen.",
    ],
  },
  {
    name: "attach",
    about: "the screen of the project's running loop; q leaves it running",
    options: [...project, inline, notify],
  },
  {
    name: "stop",
    about: "end the project's running loop; what is deployed keeps running",
    options: project,
  },
  {
    name: "run",
    about: "the loop once: build, load, apply, wait until everything is ready; exit code 0 or 1 (for CI)",
    options: [
      ...project,
      { name: "timeout", value: "TIME", about: "give up after this long: 90s, 10m (default 10m)" },
      {
        name: "attest",
        value: "KIND",
        multiple: true,
        choices: attestations,
        about:
          "build anew with an attestation: sbom, provenance, or provenance-max (needs the containerd image store)",
      },
      {
        name: "output",
        short: "o",
        value: "MODE",
        choices: ["plain", "json"],
        about: "plain: lines for people; json: one event a line (docs/events.md)",
      },
    ],
  },
  {
    name: "down",
    about: "remove what this project deployed, and nothing else; namespaces and volumes stay",
    options: [
      ...project,
      { name: "dry-run", about: "only say what would be removed" },
      { name: "namespaces", about: "also remove the namespaces that the project's manifests made" },
      { name: "volumes", about: "also remove persistent volume claims, and the data in them" },
      {
        name: "docker",
        about: "remove what runs on the container engine itself, whatever cluster.provider says now",
      },
    ],
  },
  {
    name: "status",
    about: "what of this project is deployed and how it is, and what its images take on disk",
    options: [
      ...project,
      { name: "watch", short: "w", about: "what the running loop does, until ctrl-c" },
      { name: "verify", about: "compare the files that are synced with every container, by their hashes" },
      json,
    ],
  },
  {
    name: "logs",
    about: "lines of the project's containers and builds: of the running loop, else of the cluster",
    operands: "RESOURCE…",
    options: [
      { name: "follow", short: "f", about: "go on with the lines that come" },
      { name: "previous", about: "what containers printed before their last restart, from the cluster" },
      { name: "since", value: "TIME", about: "lines of the last 90s, 5m, 1h" },
      {
        name: "level",
        value: "LEVEL",
        choices: ["trace", "debug", "info", "warn", "error", "fatal"],
        about: "lines at least as grave, as their text tells",
      },
      { name: "tail", value: "N", about: "the newest N lines of those that are kept" },
      { name: "search", value: "TEXT", about: "lines that hold it; case counts where it has a capital" },
      json,
      { name: "file", value: "FILE", about: "the config file (-f is --follow here)" },
      profile,
    ],
    notes: [
      "RESOURCE is a workload, an image (what its build prints) or a deploy; all without one. What builds print is told by a running loop alone.",
    ],
  },
  {
    name: "wait",
    about: "until everything is ready; exit code 1, and why, when something failed or the time is over",
    options: [
      ...project,
      { name: "for", value: "WHAT", choices: ["ready"], about: "what to wait for (default ready)" },
      { name: "timeout", value: "TIME", about: "give up after this long: 90s, 10m (default 2m)" },
    ],
  },
  {
    name: "trigger",
    about: "build an image again, or apply a deploy again; everything without a name",
    operands: "RESOURCE",
    options: project,
  },
  {
    name: "restart",
    about: "start a workload's processes anew",
    operands: "WORKLOAD",
    options: project,
  },
  { name: "pause", about: "changes are noticed and wait", options: project },
  { name: "resume", about: "go on after a pause", options: project },
  {
    name: "sync",
    about: "switch the sync of an image's files on or off; of all images without a name",
    operands: "on|off IMAGE…",
    options: project,
  },
  {
    name: "focus",
    about: "only these images, and what has them, follow edits; all again without a name",
    operands: "IMAGE…",
    options: project,
  },
  {
    name: "events",
    about: "what the running loop does from now on; as JSON its state first, then every event",
    options: [...project, json],
  },
  {
    name: "mcp",
    about: "a Model Context Protocol server on standard input and output, for editors and coding agents",
    options: project,
    notes: ["docs/mcp.md says how to set it up."],
  },
  {
    name: "gc",
    about: "remove old builds of the project's images from the engine and the cluster's nodes",
    options: [
      ...project,
      { name: "dry-run", about: "only say what would be removed, and how much it takes" },
      { name: "all", about: "every image that devloop built, of whatever project" },
      json,
    ],
    notes: [
      "what is in use stays, and so do the newest builds of each image (keepImages in devloop.yaml); images that devloop did not build are never touched.",
    ],
  },
  {
    name: "render",
    about: "print the manifests as they would be applied, with the images that are built",
    options: [...project, { name: "show-secrets", about: "print the values of Secrets too" }],
  },
  {
    name: "init",
    about: "write a devloop.yaml for the project in this directory, from its Dockerfiles and manifests",
    options: [
      { name: "yes", short: "y", about: "ask nothing: take the default of every question" },
      {
        name: "generate-manifests",
        about: "where there are Dockerfiles and no manifests: make a plain kustomize base and overlay in k8s",
      },
      { name: "dry-run", about: "only print what would be written" },
    ],
    notes: [
      "an existing devloop.yaml is never overwritten; where there is a compose file and no manifests, devloop migrate is offered.",
    ],
  },
  {
    name: "migrate",
    about:
      "compose files → a kustomize base and overlays, devloop.yaml, and a report that accounts for every key",
    options: [
      {
        name: "file",
        short: "f",
        value: "FILE",
        multiple: true,
        about:
          "a compose file; the first is the base, each further one an overlay (default: as Compose finds them)",
      },
      {
        name: "out",
        value: "DIR",
        about: "where k8s/, devloop.yaml and MIGRATION.md go (default: beside the compose file)",
      },
      {
        name: "overlay",
        value: "NAME",
        multiple: true,
        about: "name of a further file's overlay, in their order (default: prod for compose.prod.yaml)",
      },
      {
        name: "profile",
        short: "p",
        value: "NAME",
        multiple: true,
        about:
          "a profile of the compose file that every overlay takes in; the others become profiles of devloop.yaml",
      },
      { name: "dry-run", about: "only say what would be written, and print the report" },
      { name: "strict", about: "exit with 1 when a key was dropped or needs a decision" },
      { name: "force", about: "overwrite what was edited by hand" },
      {
        name: "wait-init-containers",
        about: "hold depends_on without devloop too, by init containers that wait",
      },
      {
        name: "probes",
        value: "KIND",
        choices: ["readiness", "full"],
        about:
          "full: liveness and startup probes from health checks too (default: readiness alone, as Docker)",
      },
      {
        name: "host-mounts",
        about: "mount the node's paths for binds outside the project, in the dev overlay",
      },
      {
        name: "network-policies",
        about: "part services as the compose file's networks do, by NetworkPolicies",
      },
    ],
    notes: [
      "it can be run again after an edit of the compose file: what you edited since is merged or left alone.",
    ],
  },
  {
    name: "explain",
    about: "which images and deploys a change of PATH touches, and why",
    operands: "PATH…",
    options: project,
  },
  {
    name: "config",
    about:
      "print the config with every default, profile and variable filled in, and where each value comes from",
    options: [...project, json],
  },
  {
    name: "doctor",
    about: "check this machine and the project's cluster, and say how to mend what is missing",
    options: [...project, json],
  },
  {
    name: "schema",
    about: "print the JSON Schema of devloop.yaml",
    options: [
      { name: "events", about: "the schema of --output json instead" },
      { name: "control", about: "the schema of what a loop's socket takes and gives instead" },
    ],
  },
  { name: "completion", about: "print a completion script", operands: "bash|zsh|fish", options: [] },
];

export function findCommand(name: string): CommandSpec | undefined {
  return commands.find((command) => command.name === name);
}

/** Whether a word is one that `run --attest` takes. */
export function isAttestation(word: string): word is Attestation {
  return attestations.some((known) => known === word);
}

/** The text of `devloop --help`. */
export function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "devloop keeps a local cluster equal to your working tree.",
    "",
    "usage: devloop COMMAND [options]",
    "",
    ...commands.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    "",
    "  devloop COMMAND --help tells a command's options; --version the version.",
    "  exit codes: 0 done, 1 the work failed, 2 the usage or the config is wrong, 130 interrupted",
    "",
  ].join("\n");
}

/** The text of `devloop COMMAND --help`. */
export function commandHelp(command: CommandSpec): string {
  const options = [...command.options, { name: "help", short: "h", about: "this text" } satisfies OptionSpec];
  const heads = options.map(
    ({ name, short, value }: OptionSpec) =>
      `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
  );
  const width = Math.max(...heads.map((head) => head.length));
  return [
    `devloop ${command.name}: ${command.about}`,
    "",
    `usage: devloop ${command.name}${command.operands === undefined ? "" : ` ${command.operands}`} [options]`,
    "",
    ...options.map(({ about }, index) => `  ${(heads[index] ?? "").padEnd(width)}  ${about}`),
    ...(command.notes ?? []).flatMap((note) => ["", note]),
    "",
  ].join("\n");
}
