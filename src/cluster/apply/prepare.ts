import { createHmac } from "node:crypto";
import { canonicalJson } from "../../lib/canonical-json.js";
import { DevloopError } from "../../lib/errors.js";
import type { KubeObject } from "../kube.js";
import { projectLabel, type ApplyContext } from "./context.js";
import { groupOf, isCrd, objectPath, typesDefinedBy, type ResourceType } from "./resource-types.js";

/** An object as it is sent, and where to. */
export interface ApplyItem {
  readonly object: KubeObject;
  readonly type: ResourceType;
  readonly key: string;
  /** `Deployment/web`: how messages name it. */
  readonly title: string;
  readonly path: string;
  readonly namespace: string | undefined;
}

/**
 * Makes rendered objects ready to be sent: kinds looked up, namespaces filled in, labelled as the project's. Throws
 * APPLY_FAILED for a kind that the cluster does not know and for an object that stands twice.
 */
export async function prepareItems(
  context: ApplyContext,
  objects: readonly KubeObject[],
  { project, namespace }: { readonly project: string; readonly namespace: string },
): Promise<ApplyItem[]> {
  const coming = typesDefinedBy(objects);
  const items = new Map<string, ApplyItem>();
  for (const object of objects) {
    const type =
      coming.find((each) => each.apiVersion === object.apiVersion && each.kind === object.kind) ??
      (await context.types.find(object.apiVersion, object.kind, { signal: context.signal }));
    if (!type) throw unknownKind(object, context.kube.context);
    const home = type.namespaced ? (object.metadata.namespace ?? namespace) : undefined;
    const key = objectKey({ ...object, ...object.metadata, namespace: home });
    const title = titleOf(object);
    if (items.has(key)) {
      throw new DevloopError(
        "APPLY_FAILED",
        `${title}${home === undefined ? "" : ` in ${home}`} stands twice in the manifests`,
        {
          hint: "remove one of the two, or give it another name",
        },
      );
    }
    items.set(key, {
      object: readyToSend(object, { project, namespace: home }),
      type,
      key,
      title,
      path: objectPath(type, home, object.metadata.name),
      namespace: home,
    });
  }
  return [...items.values()];
}

/** What makes two mentions of an object the same object; the version of its API does not. */
export function objectKey(object: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
}): string {
  return `${groupOf(object.apiVersion)}|${object.kind}|${object.namespace ?? ""}|${object.name}`;
}

export function titleOf(object: {
  readonly kind: string;
  readonly name?: unknown;
  readonly metadata?: { readonly name: string };
}): string {
  return `${object.kind}/${object.metadata?.name ?? String(object.name)}`;
}

/** A short hash of what is sent; keyed, so that a Secret's cannot be looked up in a table made beforehand. */
export function appliedHash(object: KubeObject, salt: string): string {
  return createHmac("sha256", salt).update(canonicalJson(object)).digest("hex").slice(0, 20);
}

/** The object with its namespace, the project's label, and the defaults that server-side apply needs spelled out. */
export function readyToSend(
  object: KubeObject,
  { project, namespace }: { readonly project: string; readonly namespace: string | undefined },
): KubeObject {
  const copy = structuredClone(object) as Record<string, unknown>;
  const { namespace: _given, creationTimestamp: _time, ...metadata } = structuredClone(object.metadata);
  copy["metadata"] = {
    ...metadata,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { ...metadata.labels, [projectLabel]: project },
  };
  if (isBuiltIn(object.apiVersion)) {
    // Written by controllers. Generated manifests bring empty ones, and devloop would own those.
    delete copy["status"];
    if (!isCrd(object)) addPortProtocols(copy);
  }
  if (object.kind === "Secret" && object.apiVersion === "v1") encodeStringData(copy);
  return copy as unknown as KubeObject;
}

/** `ports` are merged by number and protocol; API servers up to 1.20 refuse an entry that leaves the protocol out. */
function addPortProtocols(node: unknown): void {
  if (Array.isArray(node)) {
    node.forEach(addPortProtocols);
    return;
  }
  if (!isRecord(node)) return;
  for (const [key, child] of Object.entries(node)) {
    if (key === "ports" && Array.isArray(child)) {
      for (const port of child) {
        const isPort = isRecord(port) && (port["port"] !== undefined || port["containerPort"] !== undefined);
        if (isPort && port["protocol"] === undefined) port["protocol"] = "TCP";
      }
    } else addPortProtocols(child);
  }
}

/** `stringData` is write-only: a key removed from it would stay in the Secret. */
function encodeStringData(secret: Record<string, unknown>): void {
  const { stringData, data } = secret;
  if (!isRecord(stringData)) return;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  delete secret["stringData"];
  secret["data"] = { ...(isRecord(data) ? data : {}), ...Object.fromEntries(encoded) };
}

function isBuiltIn(apiVersion: string): boolean {
  const group = groupOf(apiVersion);
  return !group.includes(".") || group.endsWith(".k8s.io");
}

function unknownKind(object: KubeObject, context: string): DevloopError {
  return new DevloopError(
    "APPLY_FAILED",
    `${titleOf(object)}: cluster ${context} knows no kind ${object.kind} in ${object.apiVersion}`,
    {
      hint: `is its CustomResourceDefinition missing, or the apiVersion from another Kubernetes? see what there is: kubectl --context ${context} api-resources`,
    },
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
