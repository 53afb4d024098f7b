import { originOf, type ModelPath } from "../../compose/model.js";
import { escapeExpansion } from "../expansion.js";
import { namesHost, namesIn, rewriteHosts } from "../hosts.js";
import type { Generator, Part, ServiceView } from "../plan.js";
import { secretsName } from "../resource-names.js";
import { looksSecret } from "../secrets.js";
import { secretVariable } from "./plain-secrets.js";
import type { TreeMap } from "../tree.js";

// env_file → a ConfigMap or Secret of each file, shared by the services that read it; environment → env of the
// container, which wins over envFrom as it does in Compose; what looks secret → one Secret of the service.

/** `environment` and `env_file`. */
export function environmentRule(view: ServiceView): Part {
  const { service, name } = view;
  const secretName = secretsName(name);
  const env: TreeMap[] = [];
  const secrets = new Map<string, string>();
  const fromFiles = new Map<string, Map<string, string>>();
  for (const [variable, value] of Object.entries(service.environment ?? {})) {
    const path: ModelPath = ["environment", variable];
    if (!isVariableName(variable)) {
      view.say("dropped", path, "no container can have a variable of this name in Kubernetes");
      continue;
    }
    if (value === null) {
      view.say(
        "converted",
        path,
        "has no value and is set nowhere: Compose leaves it out of the container too",
      );
      continue;
    }
    const text = rewrite(view, variable, value, path);
    const file = envFileOf(view, variable);
    if (file !== undefined) {
      const of = fromFiles.get(file) ?? new Map<string, string>();
      fromFiles.set(file, of.set(variable, text));
    } else if (looksSecret(variable, value) || secretVariable(view, path) !== undefined) {
      secrets.set(variable, text);
      env.push({ name: variable, valueFrom: { secretKeyRef: { name: secretName, key: variable } } });
      view.say(
        "converted",
        path,
        `looks secret: Secret ${secretName}, from a file of each overlay that git ignores`,
      );
    } else {
      env.push({ name: variable, value: escapeExpansion(text) });
      view.say("converted", path, "env of the container");
    }
  }
  const { generators, envFrom } = filesOf(view, fromFiles);
  if (secrets.size > 0) generators.push({ kind: "Secret", name: secretName, variables: secrets });
  return { env, envFrom, generators };
}

function filesOf(
  view: ServiceView,
  fromFiles: ReadonlyMap<string, ReadonlyMap<string, string>>,
): { generators: Generator[]; envFrom: TreeMap[] } {
  const generators: Generator[] = [];
  const envFrom: TreeMap[] = [];
  for (const [index, { path, required, format }] of (view.service.env_file ?? []).entries()) {
    const at: ModelPath = ["env_file", index];
    const variables = fromFiles.get(path);
    const name = view.names.envFiles.get(path) ?? "env";
    if (variables === undefined) {
      const missing = !required && view.sources.fact(path).kind === "missing";
      view.sayAll(
        "converted",
        at,
        missing
          ? "not there and not required: nothing comes of it"
          : "holds no variable that reaches the container",
      );
      continue;
    }
    const secret = [...variables].some(([variable, value]) => looksSecret(variable, value));
    const kind = secret ? "Secret" : "ConfigMap";
    generators.push({ kind, name, variables });
    envFrom.push({ [secret ? "secretRef" : "configMapRef"]: { name } });
    const where = secret
      ? `Secret ${name}: a value in it looks secret, so git ignores its file`
      : `ConfigMap ${name}`;
    view.say("converted", at, `${where}; read by Compose's rules and written as plain lines`);
    view.say("converted", [...at, "path"], where);
    if (required) view.say("converted", [...at, "required"], "the file was there");
    else
      view.say(
        "approximated",
        [...at, "required"],
        "the file was there, and what was made of it is required now",
      );
    if (format !== undefined) view.say("converted", [...at, "format"], "read by it");
    for (const variable of variables.keys()) view.say("converted", ["environment", variable], where);
  }
  return { generators, envFrom };
}

/** The env_file that a variable came from; undefined for one that environment sets. */
function envFileOf({ project, key, service }: ServiceView, variable: string): string | undefined {
  const section = key in project.services ? "services" : "disabledServices";
  const origin = originOf(project, [section, key, "environment", variable]);
  if (origin?.kind !== "file") return undefined;
  return service.env_file?.find(({ path }) => path === origin.file)?.path;
}

function rewrite(view: ServiceView, variable: string, value: string, path: ModelPath): string {
  const { renamedHosts } = view.names;
  const { text, renamed } = rewriteHosts(value, renamedHosts, { bare: namesHost(variable) });
  for (const host of renamed) {
    view.say(
      "approximated",
      path,
      `${host} is no DNS name in a cluster: ${renamedHosts.get(host) ?? host} stands here now`,
    );
  }
  for (const host of renamed.length === 0 ? namesIn(value, renamedHosts.keys()) : []) {
    const to = renamedHosts.get(host) ?? host;
    view.say(
      "decision",
      path,
      `is it the host ${host}? that is called ${to} in the cluster: write ${to} if so`,
    );
  }
  return text;
}

/** As Kubernetes checks them (IsEnvVarName). */
function isVariableName(name: string): boolean {
  return /^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name) && name !== "." && !name.startsWith("..");
}
