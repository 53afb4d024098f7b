import { originOf, pathKey, type ModelPath } from "../../compose/model.js";
import type { Part, ServiceView } from "../plan.js";
import { looksSecret } from "../secrets.js";

/** Keys whose values stand in manifests or devloop.yaml as they are. */
const plainKeys: ReadonlySet<string | number | undefined> = new Set([
  "annotations",
  "build",
  "command",
  "deploy",
  "entrypoint",
  "healthcheck",
  "labels",
  "post_start",
  "pre_stop",
]);

/** Values that were made of a variable that looks secret, and are committed: a person has to see each place. */
export function plainSecretsRule(view: ServiceView): Part {
  for (const { path } of view.project.origins.values()) {
    if (pathKey(path.slice(0, 2)) !== pathKey([sectionOf(view), view.key])) continue;
    const inside = path.slice(2);
    const secret = secretVariable(view, inside);
    if (!plainKeys.has(inside[0]) || secret === undefined) continue;
    const arg =
      inside[0] === "build" && inside[1] === "args" ? argExpression(view, String(inside[2])) : undefined;
    view.say(
      "decision",
      inside,
      arg === undefined
        ? `the value of ${secret} stands in plain in a file that is committed: give it to the container as a variable, and have it read there`
        : `${arg} in devloop.yaml, as it looks secret: set it where devloop runs; a secret of the build is kept out of the image, an argument is not`,
    );
  }
  return {};
}

/** The first variable that looks secret of those that a value was made of. */
export function secretVariable(view: ServiceView, path: ModelPath): string | undefined {
  const origin = originOf(view.project, [sectionOf(view), view.key, ...path]);
  if (origin?.kind !== "file") return undefined;
  const taken = origin.variables?.filter(({ from }) => from === "environment" || from === "env-file");
  return taken?.find(({ name }) => looksSecret(name, "given"))?.name;
}

/**
 * A build argument that a secret-looking variable is part of, as devloop.yaml writes it, with its variables in place of
 * their values: `x-${TOKEN:-}`. Undefined where nothing in it looks secret, or devloop.yaml has no such form.
 */
export function argExpression(view: ServiceView, arg: string): string | undefined {
  const path = ["build", "args", arg];
  const origin = originOf(view.project, [sectionOf(view), view.key, ...path]);
  if (secretVariable(view, path) === undefined || origin?.kind !== "file" || origin.raw === undefined)
    return undefined;
  const raw = origin.raw.startsWith(`${arg}=`) ? origin.raw.slice(arg.length + 1) : origin.raw;
  const operators = [...raw.matchAll(variable)].map(([, , , operator = ""]) => operator);
  if (raw.replace(variable, "").includes("$") || operators.some((operator) => operator.endsWith("+")))
    return undefined;
  return raw.replace(variable, (all: string, plain?: string, braced?: string, operator = "", rest = "") =>
    all === "$$"
      ? all
      : `\${${plain ?? braced ?? ""}:-${String(operator).endsWith("-") ? String(rest) : ""}}`,
  );
}

/** A variable of a compose file, or `$$`: by itself, or in braces with an operator and a text without variables. */
const variable = /\$\$|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-?+]|)([^${}]*)\})/g;

const sectionOf = ({ key, project }: ServiceView): string =>
  key in project.services ? "services" : "disabledServices";
