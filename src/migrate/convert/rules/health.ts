import type { Healthcheck } from "../../compose/service-model.js";
import { escapeExpansion } from "../expansion.js";
import type { Part, ServiceView } from "../plan.js";
import { seconds, span } from "../quantities.js";
import { noted, type TreeMap } from "../tree.js";

// Docker's own defaults, written out: Kubernetes' are others (10 s, 1 s).
const dockerInterval = 30_000;
const dockerTimeout = 30_000;
const dockerRetries = 3;
/** https://docs.docker.com/reference/dockerfile/#healthcheck */
const dockerStartInterval = 5_000;

/**
 * `healthcheck`: a readiness probe alone, since Docker restarts nothing that is unhealthy; liveness and startup probes
 * with `--probes full`.
 */
export function healthRule(view: ServiceView): Part {
  const check = view.service.healthcheck;
  if (!check) return {};
  const { test, disable } = check;
  const argv = argvOf(test);
  if (disable !== undefined)
    view.say("converted", ["healthcheck", "disable"], disable ? "no probe" : "a probe");
  if (disable || test?.[0] === "NONE" || argv === undefined) {
    sayWithoutTest(view, check, disable === true || test?.[0] === "NONE");
    return {};
  }
  const interval = check.interval || dockerInterval;
  const timeout = check.timeout || dockerTimeout;
  const retries = check.retries || dockerRetries;
  const timing = {
    timeoutSeconds: seconds(timeout),
    periodSeconds: seconds(interval),
    failureThreshold: retries,
  };
  const full = view.options.probes === "full";
  view.say(
    "converted",
    ["healthcheck", "test"],
    full
      ? "readiness, liveness and startup probe"
      : "readinessProbe: Docker restarts nothing that is unhealthy, so there is no liveness probe (--probes full adds one)",
  );
  sayTiming(view, check, full);
  // The kubelet replaces $(NAME) in a probe too (prober.go), by variables that are not from Secrets alone.
  const exec = { command: argv.map(escapeExpansion) };
  if (!full) return { container: { readinessProbe: noted(why(check), { exec, ...timing }) } };
  return {
    container: {
      readinessProbe: noted(why(check), { exec, ...timing }),
      livenessProbe: noted("Restarts the container when it is unhealthy; plain Docker would leave it.", {
        exec,
        ...timing,
      }),
      startupProbe: startupProbe(check, exec, timing.timeoutSeconds, retries),
    },
  };
}

/** Docker does not count failures within start_period; it tries every start_interval then. */
function startupProbe(check: Healthcheck, exec: TreeMap, timeoutSeconds: number, retries: number): TreeMap {
  const periodSeconds = seconds(check.start_interval || dockerStartInterval);
  const failureThreshold = Math.ceil((check.start_period ?? 0) / 1000 / periodSeconds) + retries;
  return { exec, timeoutSeconds, periodSeconds, failureThreshold };
}

function why({ interval, timeout, retries }: Healthcheck): string {
  const left = Object.entries({ interval, timeout, retries })
    .filter(([, value]) => !value)
    .map(([name]) => name);
  return left.length === 0
    ? "From healthcheck."
    : `From healthcheck; ${left.join(", ")} as in Docker when not given.`;
}

/** What a healthcheck runs: `CMD-SHELL` by the shell that Docker uses. Undefined when there is nothing to run. */
function argvOf(test: readonly string[] | undefined): readonly string[] | undefined {
  const [kind, ...rest] = test ?? [];
  if (kind === "CMD" && rest.length > 0) return rest;
  return kind === "CMD-SHELL" && rest[0] !== undefined ? ["/bin/sh", "-c", rest.join(" ")] : undefined;
}

function sayWithoutTest(view: ServiceView, check: Healthcheck, off: boolean): void {
  for (const key of ["test", "interval", "timeout", "retries", "start_period", "start_interval"] as const) {
    if (check[key] === undefined) continue;
    if (off) view.say("converted", ["healthcheck", key], "switched off: no probe");
    else {
      view.say(
        "decision",
        ["healthcheck", key],
        "only the image knows the test: write its HEALTHCHECK as healthcheck.test to get a probe",
      );
    }
  }
}

function sayTiming(view: ServiceView, check: Healthcheck, full: boolean): void {
  const at = (key: string) => ["healthcheck", key];
  for (const [key, field] of [
    ["interval", "periodSeconds"],
    ["timeout", "timeoutSeconds"],
  ] as const) {
    const value = check[key];
    if (value === undefined) continue;
    if (value % 1000 === 0) view.say("converted", at(key), field);
    else
      view.say(
        "approximated",
        at(key),
        `${field} ${seconds(value)}: probes know whole seconds, not ${span(value)}`,
      );
  }
  if (check.retries !== undefined) view.say("converted", at("retries"), "failureThreshold");
  if (check.start_period !== undefined) {
    if (full) view.say("converted", at("start_period"), "failureThreshold of the startup probe");
    else
      view.say(
        "approximated",
        at("start_period"),
        "not needed: a container that is not ready yet is not restarted, only waited for",
      );
  }
  if (check.start_interval !== undefined) {
    if (full) view.say("converted", at("start_interval"), "periodSeconds of the startup probe");
    else
      view.say(
        "approximated",
        at("start_interval"),
        "the readiness probe keeps its period; the dev overlay asks every 2 s at most",
      );
  }
}
