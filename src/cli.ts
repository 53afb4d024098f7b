#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { parseCommandLine, type Invocation } from "./commands/arguments.js";
import { commandHelp, isAttestation, overview } from "./commands/catalog.js";
import { DevloopError, toFailure } from "./lib/errors.js";
import { describeFailure } from "./lib/failure-lines.js";
import { checkNodeVersion } from "./lib/node-version.js";
import { version } from "./lib/version.js";

// The space for young objects stays at the 1 MB it has now. Left alone it doubles up to 48 MB in the first second, and a
// command that then rests for hours never gives them back: a third of its memory. (Its maximum cannot be set any more.)
setFlagsFromString("--semi-space-growth-factor=1");

/** 2 for what the user wrote wrong, 1 for work that failed. */
const usageCodes: ReadonlySet<string> = new Set([
  "USAGE",
  "CONFIG_INVALID",
  "CONFIG_NOT_FOUND",
  "COMPOSE_INVALID",
  "COMPOSE_NOT_FOUND",
  "CLUSTER_NOT_ALLOWED",
]);

const interrupted = new AbortController();
const hungUp = new AbortController();
/** The loop with a screen goes on when its terminal goes; one without a terminal has none to lose. */
let outlivesTerminal = false;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (name === "SIGHUP" && outlivesTerminal) {
      hungUp.abort();
      return;
    }
    // The first one ends in order; whoever asks twice does not want to wait.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort(new Error(name));
  });
}
// Whoever reads our output may go away first: `devloop render | head`. A run goes on all the same: its exit code counts.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE" && process.argv[2] !== "run") process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
// Streams and sockets of libraries may linger; what matters was closed above, in order.
process.stdout.write("", () => process.exit());
// An interrupted one does not wait for a reader that takes no more.
if (interrupted.signal.aborted) setTimeout(() => process.exit(), 1_000);
else interrupted.signal.addEventListener("abort", () => process.exit(130));

async function main(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(parseCommandLine(argv));
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    const failure = toFailure(error);
    const lines = describeFailure(failure);
    process.stderr.write(
      `${lines.map((line, index) => (index === 0 ? `devloop: ${line}` : line)).join("\n")}\n`,
    );
    return error instanceof DevloopError && usageCodes.has(error.code) ? 2 : 1;
  }
}

/** Loads a command's own code only when it is called: `--version` must not wait for the terminal or the cluster's client. */
async function dispatch(invocation: Invocation): Promise<number> {
  switch (invocation.kind) {
    case "version":
      process.stdout.write(`${version}\n`);
      return 0;
    case "help":
      process.stdout.write(invocation.command ? commandHelp(invocation.command) : overview());
      return 0;
    case "command":
      // Here, as an older one cannot even load what follows.
      checkNodeVersion(process.versions.node);
      return run(invocation);
  }
}

async function run({
  command,
  operands,
  options,
}: Extract<Invocation, { kind: "command" }>): Promise<number> {
  const { signal } = interrupted;
  const env = process.env;
  const cwd = process.cwd();
  const project = { cwd, env, file: options.value("file"), profiles: options.values("profile") };
  switch (command.name) {
    case "up": {
      const { upCommand } = await import("./commands/up.js");
      const output = outputMode(options.value("output"));
      const detached = takeDetached();
      if (options.flag("detach") && !detached) {
        const [{ startDetached }, { loadProject }] = await Promise.all([
          import("./commands/detach.js"),
          import("./commands/session/session.js"),
        ]);
        return startDetached(await loadProject(project), {
          ...{ env, argv: process.argv.slice(1), signal },
          cleanup: options.flag("cleanup"),
        });
      }
      outlivesTerminal = detached;
      return upCommand({
        ...project,
        output,
        cleanup: options.flag("cleanup"),
        showLogs: !options.flag("no-logs"),
        detached,
        hungUp: hungUp.signal,
        // One that shows another process's loop has nothing to go on with.
        onOwnLoop: () => {
          outlivesTerminal ||= output === "ui";
        },
        notify: notifyMode(options.value("notify")),
        inline: options.flag("inline"),
        signal,
      });
    }
    case "attach": {
      const { attachCommand } = await import("./commands/attach.js");
      return attachCommand({
        ...project,
        terminal: outputMode(undefined) === "ui",
        notify: notifyMode(options.value("notify")),
        inline: options.flag("inline"),
        signal,
      });
    }
    case "logs": {
      const { logsCommand } = await import("./commands/logs.js");
      const { flag, value } = options;
      const since = value("since");
      return logsCommand({
        ...project,
        resources: operands,
        follow: flag("follow"),
        previous: flag("previous"),
        json: flag("json"),
        level: value("level"),
        tail: lineCount(value("tail")),
        search: value("search"),
        sinceMs: since === undefined ? undefined : duration(since, "--since"),
        signal,
      });
    }
    case "wait": {
      const { waitCommand } = await import("./commands/wait.js");
      const timeoutMs = duration(options.value("timeout") ?? "2m", "--timeout");
      return waitCommand({ ...project, timeoutMs, signal });
    }
    case "events": {
      const { eventsCommand } = await import("./commands/events.js");
      return eventsCommand({ ...project, json: options.flag("json"), signal });
    }
    case "stop":
    case "trigger":
    case "restart":
    case "pause":
    case "resume":
    case "sync":
    case "focus": {
      const requests = await import("./commands/loop-requests.js");
      return requests.requestCommand(command.name, operands, { ...project, signal });
    }
    case "mcp": {
      const { mcpCommand } = await import("./commands/mcp/mcp.js");
      return mcpCommand({ ...project, signal });
    }
    case "run": {
      const { runCommand } = await import("./commands/run.js");
      const output = options.value("output") === "json" ? "json" : "plain";
      return runCommand({
        ...project,
        output,
        timeoutMs: duration(options.value("timeout") ?? "10m", "--timeout"),
        attest: options.values("attest").filter(isAttestation),
        signal,
      });
    }
    case "down": {
      const { downCommand } = await import("./commands/down.js");
      const { flag } = options;
      return downCommand({
        ...project,
        dryRun: flag("dry-run"),
        namespaces: flag("namespaces"),
        volumes: flag("volumes"),
        docker: flag("docker"),
        signal,
      });
    }
    case "status": {
      const { statusCommand } = await import("./commands/status.js");
      const { flag } = options;
      return statusCommand({
        ...project,
        json: flag("json"),
        verify: flag("verify"),
        watch: flag("watch"),
        signal,
      });
    }
    case "gc": {
      const { gcCommand } = await import("./commands/gc.js");
      const { flag } = options;
      return gcCommand({ ...project, dryRun: flag("dry-run"), all: flag("all"), json: flag("json"), signal });
    }
    case "render": {
      const { renderCommand } = await import("./commands/render.js");
      return renderCommand({ ...project, showSecrets: options.flag("show-secrets"), signal });
    }
    case "migrate": {
      const { migrateCommand } = await import("./commands/migrate.js");
      const { flag, value, values } = options;
      return migrateCommand({
        cwd,
        env,
        files: values("file"),
        out: value("out"),
        overlays: values("overlay"),
        profiles: values("profile"),
        dryRun: flag("dry-run"),
        strict: flag("strict"),
        force: flag("force"),
        waitInitContainers: flag("wait-init-containers"),
        probes: value("probes") === "full" ? "full" : "readiness",
        hostMounts: flag("host-mounts"),
        networkPolicies: flag("network-policies"),
        signal,
      });
    }
    case "init": {
      const { initCommand } = await import("./commands/init.js");
      const { flag } = options;
      return initCommand({
        cwd,
        env,
        yes: flag("yes"),
        dryRun: flag("dry-run"),
        generateManifests: flag("generate-manifests"),
        signal,
      });
    }
    case "explain": {
      const { explainCommand } = await import("./commands/explain.js");
      return explainCommand({ ...project, paths: operands });
    }
    case "config": {
      const [{ configCommand }, { currentContext }] = await Promise.all([
        import("./commands/config.js"),
        import("./commands/session/session.js"),
      ]);
      return configCommand({ ...project, context: await currentContext(env), json: options.flag("json") });
    }
    case "doctor": {
      const { doctorCommand } = await import("./commands/doctor.js");
      return doctorCommand({ ...project, json: options.flag("json"), signal });
    }
    case "schema": {
      const { schemaCommand } = await import("./commands/schema.js");
      return schemaCommand(
        options.flag("events") ? "events" : options.flag("control") ? "control" : "config",
      );
    }
    case "completion": {
      const { completionCommand } = await import("./commands/completion.js");
      return completionCommand(operands[0]);
    }
    default:
      throw new Error(`command ${command.name} is in the catalog and not here`);
  }
}

/** Whether `up --detach` started this process; what it starts itself is not to take itself for that. */
function takeDetached(): boolean {
  const detached = process.env["DEVLOOP_DETACHED"] === "1";
  Reflect.deleteProperty(process.env, "DEVLOOP_DETACHED");
  return detached;
}

function notifyMode(given: string | undefined): "none" | "bell" | "desktop" | undefined {
  return given === "bell" || given === "desktop" || given === "none" ? given : undefined;
}

function outputMode(given: string | undefined): "ui" | "plain" | "json" {
  if (given === "plain" || given === "json" || given === "ui") return given;
  const { TERM, CI } = process.env;
  // On a build server nobody looks at a screen, even where it gives its steps a terminal.
  const isServer = CI !== undefined && CI !== "0" && CI !== "false";
  return process.stdout.isTTY && process.stdin.isTTY && TERM !== "dumb" && !isServer ? "ui" : "plain";
}

function lineCount(given: string | undefined): number | undefined {
  if (given === undefined || /^\d+$/.test(given)) return given === undefined ? undefined : Number(given);
  throw new DevloopError("USAGE", `--tail takes a number of lines, not ${given}`);
}

/** `90s`, `10m`, `1h` as ms. */
function duration(text: string, option: string): number {
  const [, amount, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  const ms = { s: 1_000, m: 60_000, h: 3_600_000 }[unit ?? ""];
  if (amount === undefined || ms === undefined) {
    throw new DevloopError("USAGE", `${option} takes a time such as 90s or 10m, not ${text}`);
  }
  return Number(amount) * ms;
}
