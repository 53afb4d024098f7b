import { DevloopError } from "../../lib/errors.js";
import { KubeStatusError } from "../kube.js";
import type { ApplyItem } from "./prepare.js";

/** A field that another manager has set to another value. */
export interface FieldConflict {
  readonly field: string;
  readonly manager: string;
}

/** The conflicts in an answer to server-side apply; empty for any other answer. */
export function fieldConflicts(error: unknown): FieldConflict[] {
  if (!(error instanceof KubeStatusError) || error.status !== 409) return [];
  return (error.details.causes ?? [])
    .filter((cause) => cause.reason === "FieldManagerConflict")
    .map((cause) => ({
      field: cause.field ?? "",
      manager: /conflict with "([^"]*)"/.exec(cause.message ?? "")?.[1] ?? "another manager",
    }));
}

/** The fields that the API server will not change on an existing object; empty for any other answer. */
export function immutableFields(error: unknown): string[] {
  if (!(error instanceof KubeStatusError) || error.status !== 422) return [];
  const fields = (error.details.causes ?? [])
    .filter((cause) => saysImmutable.test(cause.message ?? ""))
    .map((cause) => cause.field ?? "");
  return [...new Set(fields)].map((field) => field || "its specification");
}

const saysImmutable =
  /immutable|may not change once set|may not change fields|may not be changed|cannot change roleRef|can not be unset|updates to .* are forbidden|updates to parameters|may not be mutated/i;

/** An answer that the same request may not get a moment later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof KubeStatusError) {
    if ([429, 502, 503, 504].includes(error.status)) return true;
    // Old servers answer 500 to some objects that are simply wrong.
    if (error.status === 500)
      return /etcdserver|time(d )?out|connection|webhook|EOF|overloaded/i.test(error.message);
    return error.status === 409 && error.reason === "Conflict" && fieldConflicts(error).length === 0;
  }
  return error instanceof DevloopError && error.code === "CLUSTER_UNREACHABLE" && isCutOff(error.cause);
}

export function isNotFound(error: unknown): error is KubeStatusError {
  return error instanceof KubeStatusError && error.status === 404;
}

/** The namespace is being deleted and takes no new objects. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof KubeStatusError && error.status === 403 && /is being terminated/.test(error.message)
  );
}

/** Right after its definition is established, a kind may not be served yet; nor is anything while the server starts. */
export function isNotServedYet(error: unknown): boolean {
  if (!(error instanceof KubeStatusError)) return false;
  return error.status === 503 || (isNotFound(error) && /could not find the requested/.test(error.message));
}

/** What the API server says of an object that it refuses, in one line and without a Secret's values. */
export function applyFailed(item: ApplyItem, error: unknown): unknown {
  if (!(error instanceof KubeStatusError)) return error;
  const message = withoutSecrets(error.message, item)
    .replace(/\s+/g, " ")
    .trim()
    // The title says which object it is.
    .replace(/^\S+ "[^"]*" is invalid: /, "")
    .replace(/^failed to create typed patch object( \([^)]*\))?: /, "");
  return new DevloopError("APPLY_FAILED", `${item.title} is refused: ${message}`, {
    // The raw answer may quote a Secret's values.
    cause: isSecret(item) ? undefined : error,
    hint: /failed calling webhook/.test(message)
      ? "the webhook does not answer: is what serves it running?"
      : undefined,
  });
}

/** Names object, field and other manager, and what can be done. */
export function applyConflict(item: ApplyItem, conflicts: readonly FieldConflict[]): DevloopError {
  const where = item.namespace === undefined ? "" : ` in ${item.namespace}`;
  const fields = conflicts.map(({ field, manager }) => `${field} (set by ${manager})`).join(", ");
  const scaled = conflicts.some(({ field }) => field.endsWith(".spec.replicas"));
  return new DevloopError("APPLY_CONFLICT", `${item.title}${where} has another owner for ${fields}`, {
    hint: scaled
      ? "an autoscaler or kubectl scale sets it: remove replicas from the manifest"
      : "remove the field from the manifest, or take it over: kubectl apply --server-side --force-conflicts --field-manager=devloop -f FILE",
  });
}

function withoutSecrets(message: string, item: ApplyItem): string {
  if (!isSecret(item)) return message;
  let text = message.replace(/Invalid value: .*?(?=: )/gs, "Invalid value").replace(/Value:[^}]*/g, "Value:");
  for (const value of Object.values((item.object["data"] ?? {}) as Record<string, unknown>)) {
    const encoded = String(value);
    for (const secret of [encoded, Buffer.from(encoded, "base64").toString("utf8")]) {
      if (secret.length >= 3) text = text.replaceAll(secret, "***");
    }
  }
  return text;
}

function isSecret(item: ApplyItem): boolean {
  return item.object.kind === "Secret";
}

function isCutOff(cause: unknown): boolean {
  return (
    cause instanceof Error && ("code" in cause ? cause.code === "ECONNRESET" : /hang up/.test(cause.message))
  );
}
