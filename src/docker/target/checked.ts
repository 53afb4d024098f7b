import { z } from "zod";
import type { KubeObject } from "../../engine/kube-object.js";
import { DevloopError } from "../../lib/errors.js";
import { isQuantity } from "./quantities.js";

// The types of the fields that the docker target reads, as an API server insists on them. Other fields are left as they are.

const text = z.string();
const whole = z.int();
const flag = z.boolean();
const texts = z.record(text, text);
const wholeOrText = z.union([whole, text], "expected a whole number or a string");
const quantities = z.record(
  text,
  z.union([z.number(), text]).refine(isQuantity, "expected a quantity, as in 512Mi or 500m"),
);
/** As Go reads it: with its padding, in lines or not. */
const base64 = text.refine(
  (value) =>
    /^(?:[a-zA-Z0-9+/]{4})*(?:[a-zA-Z0-9+/]{2}==|[a-zA-Z0-9+/]{3}=)?$/.test(value.replace(/[\r\n]/g, "")),
  "is not base64; text as it is goes into stringData",
);
const list = <T extends z.ZodType>(of: T) => z.array(of).optional();
const fields = <T extends z.ZodRawShape>(of: T) => z.looseObject(of).partial();

const header = z.looseObject({ name: text });
const action = fields({
  exec: fields({ command: list(text) }),
  httpGet: z.looseObject({ port: wholeOrText, path: text.optional(), httpHeaders: list(header) }),
  tcpSocket: z.looseObject({ port: wholeOrText }),
});
const probe = action.extend({
  initialDelaySeconds: whole.optional(),
  periodSeconds: whole.optional(),
  timeoutSeconds: whole.optional(),
  successThreshold: whole.optional(),
  failureThreshold: whole.optional(),
  terminationGracePeriodSeconds: whole.optional(),
});
const security = fields({
  runAsUser: whole,
  runAsGroup: whole,
  runAsNonRoot: flag,
  fsGroup: whole,
  supplementalGroups: z.array(whole),
  readOnlyRootFilesystem: flag,
  allowPrivilegeEscalation: flag,
  privileged: flag,
  capabilities: fields({ add: z.array(text), drop: z.array(text) }),
});
const container = z.looseObject({
  name: text,
  image: text,
  command: list(text),
  args: list(text),
  workingDir: text.optional(),
  env: list(z.looseObject({ name: text, value: text.optional() })),
  envFrom: list(fields({ prefix: text, configMapRef: header, secretRef: header })),
  ports: list(z.looseObject({ containerPort: whole, name: text.optional() })),
  volumeMounts: list(z.looseObject({ name: text, mountPath: text, subPath: text.optional() })),
  resources: fields({
    limits: quantities,
    requests: quantities,
  }).optional(),
  securityContext: security.optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  lifecycle: fields({ postStart: action, preStop: action }).optional(),
});
const metadata = fields({ labels: texts, annotations: texts });
const podSpec = z.looseObject({
  containers: z.array(container).min(1, "there must be a container"),
  initContainers: list(container),
  volumes: list(header),
  securityContext: security.optional(),
  terminationGracePeriodSeconds: whole.optional(),
  hostAliases: list(z.looseObject({ ip: text, hostnames: list(text) })),
  restartPolicy: text.optional(),
});
const template = z.looseObject({ metadata: metadata.optional(), spec: podSpec });
const job = z
  .looseObject({
    template,
    completions: whole.optional(),
    completionMode: text.optional(),
    parallelism: whole.optional(),
    backoffLimit: whole.optional(),
    suspend: flag.optional(),
  })
  .refine(({ completionMode, completions }) => completionMode !== "Indexed" || completions !== undefined, {
    path: ["completions"],
    message: "an Indexed Job must have a number of them",
  });
const replicated = z.looseObject({
  template,
  replicas: whole.optional(),
  strategy: fields({
    type: text,
    rollingUpdate: fields({ maxSurge: wholeOrText, maxUnavailable: wholeOrText }),
  }).optional(),
  volumeClaimTemplates: list(z.looseObject({ metadata: header })),
  updateStrategy: fields({ type: text, rollingUpdate: fields({ partition: whole }) }).optional(),
  ordinals: fields({ start: whole }).optional(),
});
const servicePort = z.looseObject({
  port: whole,
  targetPort: wholeOrText.optional(),
  name: text.optional(),
  protocol: text.optional(),
});

const kinds: Readonly<Record<string, z.ZodType>> = {
  Deployment: z.looseObject({ spec: replicated }),
  ReplicaSet: z.looseObject({ spec: replicated }),
  StatefulSet: z.looseObject({ spec: replicated }),
  DaemonSet: z.looseObject({ spec: replicated }),
  Job: z.looseObject({ spec: job }),
  CronJob: z.looseObject({ spec: z.looseObject({ jobTemplate: z.looseObject({ spec: job }) }) }),
  Pod: z.looseObject({ metadata, spec: podSpec }),
  Service: fields({ spec: fields({ selector: texts, ports: z.array(servicePort), externalName: text }) }),
  ConfigMap: fields({ data: texts, binaryData: z.record(text, base64) }),
  Secret: fields({ data: z.record(text, base64), stringData: texts }),
};

/** The object without the fields that are null, which say nothing. Throws APPLY_FAILED for one that no API server would take. */
export function checkedObject(object: KubeObject): KubeObject {
  const given = withoutNulls(object) as KubeObject;
  const issue = kinds[object.kind]?.safeParse(given).error?.issues[0];
  if (!issue) return given;
  const path = issue.path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("");
  const problem = issue.message.replace(/^Invalid input: /, "");
  throw new DevloopError(
    "APPLY_FAILED",
    `${object.kind}/${object.metadata.name} is refused: ${path}: ${problem}`,
  );
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== null && each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutNulls(each)]));
}
