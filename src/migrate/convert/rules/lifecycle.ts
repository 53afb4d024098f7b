import type { ServiceHook } from "../../compose/service-model.js";
import type { Part, ServiceView } from "../plan.js";
import { seconds, span } from "../quantities.js";
import { noted, type TreeMap } from "../tree.js";

/** Docker waits this long before it kills, unless told otherwise. */
const dockerGrace = 10_000;

/** `stop_grace_period`, `stop_signal`, `post_start`, `pre_stop`, `init`. */
export function lifecycleRule(view: ServiceView): Part {
  const { service } = view;
  const grace = service.stop_grace_period;
  if (grace !== undefined) {
    const exact = grace % 1000 === 0;
    const text = exact
      ? "terminationGracePeriodSeconds"
      : `${seconds(grace)} s: whole seconds only, not ${span(grace)}`;
    view.say(
      exact ? "converted" : "approximated",
      ["stop_grace_period"],
      `${text}; the dev overlay waits 2 s at most`,
    );
  }
  const stopping = hookOf(view, "pre_stop");
  const signal = stopping === undefined ? signalOf(view) : undefined;
  const hooks = { postStart: hookOf(view, "post_start"), preStop: stopping ?? signal };
  if (service.init !== undefined) {
    if (service.init)
      view.say(
        signal ? "decision" : "approximated",
        ["init"],
        signal
          ? "not with the hook that sends stop_signal to process 1, which must be the program: put an init (tini) into the image if it leaves zombies"
          : "shareProcessNamespace: the pod's pause process reaps zombies; signals reach the program itself",
      );
    else view.say("converted", ["init"], "no init process");
  }
  const terminationGracePeriodSeconds =
    grace === undefined
      ? noted("As Docker; Kubernetes would wait 30 s.", dockerGrace / 1000)
      : seconds(grace);
  return {
    container: { lifecycle: hooks.postStart || hooks.preStop ? hooks : undefined },
    pod: { terminationGracePeriodSeconds, shareProcessNamespace: (service.init && !signal) || undefined },
  };
}

/** A signal of its own: sent by a hook before Kubernetes sends SIGTERM. */
function signalOf(view: ServiceView): TreeMap | undefined {
  const signal = view.service.stop_signal;
  if (signal === undefined) return undefined;
  const name = signal.toUpperCase().replace(/^SIG/, "");
  if (name === "TERM" || name === "15") {
    view.say("converted", ["stop_signal"], "what Kubernetes sends");
    return undefined;
  }
  if (!/^[A-Z0-9+-]+$/.test(name)) {
    view.say("dropped", ["stop_signal"], `${signal} is no signal`);
    return undefined;
  }
  view.say(
    "approximated",
    ["stop_signal"],
    "a preStop hook sends it to the container's first process (it needs a shell in the image); SIGTERM follows when that has ended or the hook has waited",
  );
  return {
    exec: {
      command: [
        "/bin/sh",
        "-c",
        noted(
          "Waits for the process, so that SIGTERM does not come in between.",
          `kill -s ${name} 1; while kill -0 1 2>/dev/null; do sleep 0.2; done`,
        ),
      ],
    },
  };
}

function hookOf(view: ServiceView, key: "post_start" | "pre_stop"): TreeMap | undefined {
  const hooks = view.service[key] ?? [];
  const runnable = hooks.flatMap((hook, index) => {
    const argv = hookCommand(view, key, hook, index);
    return argv === undefined ? [] : [argv];
  });
  const [first] = runnable;
  if (first === undefined) return undefined;
  if (runnable.length === 1) return { exec: { command: first } };
  const all = runnable.map((argv) => argv.map(quote).join(" ")).join(" && ");
  return {
    exec: {
      command: [noted("Kubernetes runs one hook: these run one after the other.", "/bin/sh"), "-c", all],
    },
  };
}

function hookCommand(
  view: ServiceView,
  key: string,
  hook: ServiceHook,
  index: number,
): readonly string[] | undefined {
  const { command, user, privileged, working_dir: directory, environment } = hook;
  const say = (part: string, outcome: "converted" | "decision", text: string) => {
    view.sayAll(outcome, [key, index, part], text);
  };
  if (user !== undefined)
    say(
      "user",
      "decision",
      "a hook runs as the container's user: let the image switch (su-exec, gosu), or use an init container",
    );
  if (privileged !== undefined)
    say(
      "privileged",
      privileged ? "decision" : "converted",
      privileged ? "a hook has the rights of its container, no more" : "no more rights",
    );
  if (!command || command.length === 0) {
    view.say("dropped", [key, index], "a hook without a command");
    return undefined;
  }
  view.say(
    "converted",
    [key, index, "command"],
    `lifecycle.${key === "post_start" ? "postStart" : "preStop"}`,
  );
  const variables = Object.entries(environment ?? {}).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${value}`],
  );
  const withEnvironment = variables.length === 0 ? command : ["env", ...variables, ...command];
  if (environment !== undefined) say("environment", "converted", "env in front of the command");
  if (directory === undefined) return withEnvironment;
  say("working_dir", "converted", "cd in front of the command");
  return ["/bin/sh", "-c", `cd ${quote(directory)} && exec ${withEnvironment.map(quote).join(" ")}`];
}

/** A word as a shell reads it back. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
