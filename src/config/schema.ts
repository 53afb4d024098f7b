import { availableParallelism } from "node:os";
import { z } from "zod";
import { pullSchema, rebuildSchema, syncSchema } from "./sync-schema.js";
import { orderSchema } from "./order-schema.js";

// The messages of checks complete the sentence `<path>: "<value>" …`; validate.ts puts them together.

/** A number of a TCP port. */
const port = z.int().min(1).max(65_535);
const text = z.string().min(1);
const dnsLabel = z
  .string()
  .regex(
    /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
    'must be lower-case letters, digits and "-", at most 63, with a letter or digit at both ends',
  );

/**
 * An image's name as it stands in the manifests: registry, port and path, without tag and digest.
 * The parts follow the reference grammar of the OCI distribution project.
 */
const imageNamePattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const imageName = z
  .string()
  .superRefine((name, context) => {
    const problem = imageNameProblem(name);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  })
  .meta({ pattern: imageNamePattern.source });

function imageNameProblem(name: string): string | undefined {
  if (imageNamePattern.test(name)) return undefined;
  if (name.includes("@")) return `carries a digest; name the image without it: ${name.replace(/@.*$/, "")}`;
  const untagged = name.replace(/:[^:/]*$/, "");
  if (untagged !== name && imageNamePattern.test(untagged)) {
    return `carries a tag; name the image without it: ${untagged}`;
  }
  if (imageNamePattern.test(name.toLowerCase())) return `must be in lower case: ${name.toLowerCase()}`;
  return "is not an image name; it looks like web or registry.example.com/team/web";
}

const clusterSchema = z
  .strictObject({
    provider: z
      .enum(["auto", "kind", "k3d", "context", "docker"])
      .default("auto")
      .describe(
        "How the cluster is found. auto: the current context when it is local, else the only kind or k3d cluster that runs, else docker: the manifests' pods as plain containers, without a cluster.",
      ),
    name: text
      .optional()
      .describe("Name of the kind or k3d cluster, without the kind- or k3d- of its context."),
    context: text.optional().describe("Name of the kubeconfig context; left out: the current one."),
    namespace: dnsLabel
      .optional()
      .describe("Namespace for objects that name none; left out: the context's own."),
    create: z
      .boolean()
      .default(false)
      .describe("Make the cluster with the kind or k3d command when it is not there."),
    allow: z
      .array(text)
      .default([])
      .describe("Contexts that are not local and that devloop may work on all the same, by name."),
    hostPaths: z
      .array(text)
      .optional()
      .describe(
        "With docker: directories of the engine's machine, relative to devloop.yaml, that hostPath volumes may mount, each with all below it. Left out: none.",
      ),
  })
  .describe("Where the project runs.");

const secretKinds = ["file", "env"] as const;
const secretSchema = z
  .strictObject({
    file: text.optional().describe("File that holds the value, relative to devloop.yaml."),
    env: text.optional().describe("Variable that holds the value: of the environment, else of .env."),
  })
  .superRefine((entry, context) => {
    requireOne(entry, secretKinds, context);
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .describe("Where a build secret's value comes from: file or env.");

const imageSchema = z
  .strictObject({
    context: text.default(".").describe("Directory of the build context, relative to devloop.yaml."),
    dockerfile: text
      .optional()
      .describe(
        "The Dockerfile, relative to the context; it may lie outside (../Dockerfile). Left out: Dockerfile.",
      ),
    dockerfileInline: text
      .optional()
      .describe(
        "The Dockerfile's text itself, in place of dockerfile; its own variables are written $$NAME.",
      ),
    target: text.optional().describe("Stage to build; left out: the last."),
    args: z
      .record(text, z.string())
      .default({})
      .describe("Build arguments: values of ARG in the Dockerfile. Not for secrets: they stay in the image."),
    labels: z.record(text, z.string()).default({}).describe("Labels put on the image."),
    network: text.optional().describe("Network of RUN steps: default, none or host."),
    extraHosts: z
      .array(z.string().regex(/^[^\s:]+:\S+$/, "must be host:ip"))
      .default([])
      .describe("host:ip entries for /etc/hosts of RUN steps."),
    secrets: z
      .record(text, secretSchema)
      .default({})
      .describe("Values for RUN --mount=type=secret, by id. They reach the step alone: no layer, no log."),
    ssh: z
      .array(z.string().regex(/^[\w.-]+(=.+)?$/, "must be an id or id=path of the agent's socket"))
      .default([])
      .describe(
        "SSH agents for RUN --mount=type=ssh: an id, as in default, for the agent of SSH_AUTH_SOCK, or id=path of its socket.",
      ),
    contexts: z
      .record(text, text)
      .default({})
      .describe(
        "Further contexts, for FROM NAME and --from=NAME: a directory relative to devloop.yaml, docker-image://IMAGE (of this project, too), or the address of a git repository or archive.",
      ),
    platform: z
      .string()
      .regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, "must be os/arch or os/arch/variant, as in linux/arm64")
      .optional()
      .describe("Platform to build for, as in linux/arm64; left out: the cluster's."),
    cacheFrom: z.array(text).default([]).describe("Images whose layers serve as a cache."),
    noCache: z.boolean().default(false).describe("Build every step anew."),
    pullBases: z.boolean().default(false).describe("Ask the registry for newer base images at every build."),
    ignore: z
      .array(text)
      .default([])
      .describe(
        "Patterns in .dockerignore syntax, relative to the context, beside those of .dockerignore: such files neither rebuild nor travel.",
      ),
    sync: syncSchema.optional(),
    rebuild: rebuildSchema.default([]),
    pull: pullSchema.default([]),
  })
  .superRefine((image, context) => {
    if (image.dockerfile === undefined || image.dockerfileInline === undefined) return;
    context.addIssue({ code: "custom", message: "has dockerfile and dockerfileInline; only one can stand" });
  })
  .describe("One image to build.");

const helmSchema = z
  .strictObject({
    chart: text.describe(
      "Directory or archive of the chart, relative to devloop.yaml, or an oci:// address.",
    ),
    release: dnsLabel.describe("Name of the release."),
    values: z.array(text).default([]).describe("Values files, relative to devloop.yaml; later ones win."),
    set: z
      .record(text, z.string())
      .default({})
      .describe("Single values, as helm --set takes them; they win over the files."),
    namespace: dnsLabel.optional().describe("Namespace of the release; left out: cluster.namespace."),
  })
  .describe("A Helm chart, rendered with `helm template`.");

const deployKinds = ["kustomize", "helm", "manifests"] as const;
const deploySchema = z
  .strictObject({
    kustomize: text.optional().describe("Directory of a kustomization, relative to devloop.yaml."),
    helm: helmSchema.optional(),
    manifests: z
      .union([text, z.array(text).min(1)])
      .optional()
      .describe("Pattern or patterns of manifest files, relative to devloop.yaml: k8s/**/*.yaml."),
  })
  .superRefine((entry, context) => {
    requireOne(entry, deployKinds, context);
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .describe("One thing to render and apply: kustomize, helm or manifests.");

const forwardKinds = ["service", "deployment", "statefulset", "pod"] as const;
const forwardSchema = z
  .strictObject({
    service: text.optional().describe("Name of the Service to forward to."),
    deployment: text.optional().describe("Name of the Deployment to forward to."),
    statefulset: text.optional().describe("Name of the StatefulSet to forward to."),
    pod: text.optional().describe("Name of the Pod to forward to."),
    local: port.optional().describe("Port on this machine; left out: the same number as remote."),
    remote: z
      .union([
        port,
        z
          .string()
          .regex(
            /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/,
            "is neither a port number nor a port's name",
          ),
      ])
      .describe("The Service's port, or the container's for other kinds: a number or a port's name."),
    namespace: dnsLabel.optional().describe("Namespace of the target; left out: the project's."),
    host: text.default("127.0.0.1").describe("Address to listen on."),
    strict: z
      .boolean()
      .default(false)
      .describe("A local port in use is an error; otherwise the next free one is taken, and said."),
  })
  .superRefine((entry, context) => {
    requireOne(entry, forwardKinds, context);
    if (entry.local === undefined && typeof entry.remote === "string") {
      context.addIssue({
        code: "custom",
        message: `"local" is missing: remote "${entry.remote}" is a name, so it gives no number`,
      });
    }
  })
  .meta({ oneOf: forwardKinds.map((kind) => ({ required: [kind] })) })
  .describe("A port on this machine that leads to the cluster.");

const limitsSchema = z
  .strictObject({
    builds: z
      .int()
      .min(1)
      .optional()
      .describe("How many images are built at once; left out: the machine's cores, at most 4."),
  })
  .describe("How much may run at once.");

const imagesSchema = z
  .record(imageName, imageSchema)
  .describe("Images to build, by the name that stands in the manifests.");
const deploysSchema = z.array(deploySchema).describe("What is applied to the cluster, in this order.");
const forwardsSchema = z.array(forwardSchema).describe("Ports on this machine that lead to the cluster.");

const keepImagesSchema = z
  .int()
  .min(0)
  .describe(
    "How many builds of each image stay in the engine and the cluster's nodes, beside those in use; 0 keeps all.",
  );

const screenSchema = z
  .strictObject({
    notify: z
      .enum(["none", "bell", "desktop"])
      .default("none")
      .describe(
        "How the screen makes a failure heard, once: the terminal's bell, or a notification of the desktop. --notify says otherwise.",
      ),
  })
  .describe("The screen of up and attach.");

const activationSchema = z
  .strictObject({
    env: z
      .string()
      .regex(/^[A-Za-z_]\w*(=[^]*)?$/, "must be NAME or NAME=value")
      .optional()
      .describe("NAME: the variable is set and not empty. NAME=value: it has this value."),
    context: text.optional().describe("The kubeconfig context's name; * stands for any text: kind-*."),
    profiles: z.array(text).min(1).optional().describe("All of these profiles are active."),
  })
  .superRefine((entry, context) => {
    if (entry.env === undefined && entry.context === undefined && entry.profiles === undefined) {
      context.addIssue({ code: "custom", message: "needs env, context or profiles" });
    }
  })
  .meta({ minProperties: 1 })
  .describe("Active when all that is given here matches.");

/** One profile: sections that are merged over the rest while it is active. */
const profileSchema = z
  .strictObject({
    activation: z
      .array(activationSchema)
      .optional()
      .describe("Switches the profile on by itself when any entry matches."),
    cluster: clusterSchema.optional(),
    images: imagesSchema.optional(),
    deploy: deploysSchema.optional(),
    forwards: forwardsSchema.optional(),
    order: orderSchema.optional(),
    limits: limitsSchema.optional(),
    keepImages: keepImagesSchema.optional(),
    ui: screenSchema.optional(),
  })
  .describe("Merged over the rest while active: maps merge, lists and values replace.");

const profileName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]*$/, "must be letters, digits, and . _ - after the first");

const sections = {
  version: z.literal(1).describe("Version of this format."),
  name: dnsLabel.describe("Name of the project: marks what it deploys."),
  cluster: clusterSchema.prefault({}),
  images: imagesSchema.default({}),
  deploy: deploysSchema.default([]),
  forwards: forwardsSchema.default([]),
  order: orderSchema.default({}),
  limits: limitsSchema.prefault({}),
  keepImages: keepImagesSchema.default(3),
  ui: screenSchema.prefault({}),
};

/** devloop.yaml as it is written, with its profiles. */
export const fileSchema = z
  .strictObject({
    ...sections,
    profiles: z.record(profileName, profileSchema).optional().describe("Variations, by name."),
  })
  .describe("The configuration of a devloop project.");

/** What is left once the active profiles are merged: all defaults filled in. */
export const configSchema = z
  .strictObject(sections)
  .transform(({ images, deploy, forwards, order, limits, keepImages, ui, ...rest }) => ({
    ...rest,
    images: Object.fromEntries(
      Object.entries(images).map(([name, { context, dockerfile, ...image }]) => {
        const file = image.dockerfileInline === undefined ? (dockerfile ?? "Dockerfile") : undefined;
        return [name, { context, dockerfile: file, ...image }];
      }),
    ),
    deploy,
    forwards: forwards.map(({ local, remote, namespace, host, strict, ...target }) => ({
      ...target,
      // A remote given by name comes with a local port: forwardSchema sees to it.
      local: local ?? (typeof remote === "number" ? remote : 0),
      remote,
      namespace,
      host,
      strict,
    })),
    order,
    limits: { builds: limits.builds ?? Math.min(availableParallelism(), 4) },
    keepImages,
    ui,
  }));

/** The merged and validated configuration. */
export type Config = z.output<typeof configSchema>;
export type ForwardConfig = Config["forwards"][number];

function requireOne(
  entry: Readonly<Record<string, unknown>>,
  kinds: readonly string[],
  context: z.core.$RefinementCtx,
): void {
  const given = kinds.filter((kind) => entry[kind] !== undefined);
  if (given.length === 1) return;
  const list = `${kinds.slice(0, -1).join(", ")} or ${kinds.at(-1) ?? ""}`;
  context.addIssue({
    code: "custom",
    message:
      given.length === 0
        ? `needs one of ${list}`
        : `has ${given.join(" and ")}; only one of ${list} can stand in an entry`,
  });
}
