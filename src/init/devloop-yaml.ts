import { posix } from "node:path";
import { stringify } from "yaml";
import { deployPlace } from "./choose-deploys.js";
import type { DeploySource, Forward, InitPlan } from "./model.js";

/** The text of devloop.yaml, with comments that say why and what else there is. */
export function devloopYaml(plan: InitPlan): string {
  return [
    "# Written by devloop init. devloop config shows it with all defaults; devloop schema has every key.",
    ...moveLines(plan),
    "version: 1",
    `name: ${plan.name}`,
    "",
    "cluster:",
    "  provider: auto # a local cluster: the current one, or the only one that runs; else the engine itself",
    plan.namespace === undefined
      ? `  # namespace: ${plan.name} # for objects that name none; left out: the context's own`
      : `  namespace: ${plan.namespace} # as the manifests have it`,
    "",
    ...imageLines(plan),
    "",
    ...deployLines(plan),
    ...forwardLines(plan.forwards),
    "",
  ].join("\n");
}

/** What was taken of another tool's configuration. */
function moveLines({ skaffold, unread }: InitPlan): string[] {
  return [
    ...(skaffold === undefined
      ? []
      : [`# Images, deploys and local ports are as ${skaffold.path} has them.`]),
    ...(skaffold === undefined || skaffold.notTaken.length === 0
      ? []
      : ["# Not taken from it:", ...skaffold.notTaken.map((each) => `#   ${each}`)]),
    ...unread.map((path) => `# ${path} was not read: compare what it says.`),
  ];
}

function imageLines({ images, pulled, unused }: InitPlan): string[] {
  return [
    "# The names as they stand in the manifests, without a tag.",
    images.length === 0 ? "images: {}" : "images:",
    ...images.flatMap(({ image, context, dockerfile, target, args, guessed }) => {
      const file = posix.relative(context, dockerfile.path);
      return [
        `  ${scalar(image)}:${guessed ? " # the only image and the only Dockerfile that were left: is it this one?" : ""}`,
        `    context: ${scalar(context)}`,
        ...(file === "Dockerfile" ? [] : [`    dockerfile: ${scalar(file)} # relative to the context`]),
        ...(target === undefined ? [] : [`    target: ${scalar(target)}`]),
        ...(args === undefined
          ? []
          : [
              "    args:",
              ...Object.entries(args).map(([name, value]) => `      ${scalar(name)}: ${quoted(value)}`),
            ]),
      ];
    }),
    ...(images.length === 0
      ? []
      : ["    # sync: auto # changed files go into the running containers, by the Dockerfile's COPY lines"]),
    ...(pulled.length === 0 ? [] : [`  # not built here: ${pulled.join(", ")}`]),
    ...(unused.length === 0 ? [] : [`  # none of the manifests' images goes with: ${unused.join(", ")}`]),
  ];
}

function deployLines({ deploys, leftOut }: InitPlan): string[] {
  return [
    "deploy:",
    ...deploys.flatMap(({ source, others, problem }) => [
      ...(problem === undefined
        ? []
        : [`  # Not rendered by init, so check names and ports: ${problem.split("\n")[0] ?? ""}`]),
      ...sourceLines(source),
      ...(others.length === 0 ? [] : [`    # in its place: ${others.map(deployPlace).join(", ")}`]),
    ]),
    ...(leftOut.length === 0 ? [] : [`  # found too, and left out: ${leftOut.join(", ")}`]),
  ];
}

function sourceLines(source: DeploySource): string[] {
  switch (source.kind) {
    case "kustomize":
      return [`  - kustomize: ${scalar(source.path)}`];
    case "manifests":
      return ["  - manifests:", ...source.patterns.map((pattern) => `      - ${scalar(pattern)}`)];
    case "helm":
      return [
        "  - helm:",
        `      chart: ${scalar(source.chart)}`,
        `      release: ${scalar(source.release)}`,
        ...(source.values.length === 0
          ? []
          : ["      values:", ...source.values.map((file) => `        - ${scalar(file)}`)]),
      ];
  }
}

function forwardLines(forwards: readonly Forward[]): string[] {
  if (forwards.length === 0) return [];
  return [
    "",
    "# Ports on this machine, at 127.0.0.1.",
    "forwards:",
    ...forwards.map(({ service, local, remote, namespace, portName }) => {
      const fields = [`service: ${service}`, `local: ${local}`, `remote: ${remote}`];
      if (namespace !== undefined) fields.push(`namespace: ${namespace}`);
      return `  - { ${fields.join(", ")} }${portName === undefined ? "" : ` # ${portName}`}`;
    }),
  ];
}

/** A text, also where it looks like a number. */
function quoted(text: string): string {
  return JSON.stringify(text.replaceAll("$", "$$$$"));
}

/** A value on one line; `$` is doubled, as devloop.yaml fills in variables. */
function scalar(text: string): string {
  return stringify(text.replaceAll("$", "$$$$"), { lineWidth: 0 }).trimEnd();
}
