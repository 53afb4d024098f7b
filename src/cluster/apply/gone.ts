import { DevloopError } from "../../lib/errors.js";
import { pause } from "../../lib/pause.js";
import { KubeStatusError, type KubeObject } from "../kube.js";
import { isNotFound } from "./answers.js";
import type { ApplyContext } from "./context.js";
import { withRetries } from "./retry.js";

/** How long an object may take to go, in ms. */
export const goneTimeoutMs = 60_000;

/** The object at `path`, or undefined where there is none. */
export async function readLive(context: ApplyContext, path: string): Promise<KubeObject | undefined> {
  const { kube, signal } = context;
  try {
    return (await withRetries(() => kube.request(path, { signal }), { signal })) as KubeObject;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/**
 * Deletes exactly the object with this uid. False when it is not there any more, or another one stands in its place.
 */
export async function deleteByUid(
  context: ApplyContext,
  { path, uid }: { readonly path: string; readonly uid: string },
  propagationPolicy: "Background" | "Foreground",
): Promise<boolean> {
  const { kube, signal } = context;
  const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy, preconditions: { uid } };
  try {
    // Not retried on a conflict: that is the precondition's answer.
    await kube.request(path, { method: "DELETE", body, signal });
    return true;
  } catch (error) {
    if (isNotFound(error) || (error instanceof KubeStatusError && error.status === 409)) return false;
    throw error;
  }
}

/** Waits until no object with this uid is at `path`; throws TIMEOUT after a minute. */
export async function waitUntilGone(
  context: ApplyContext,
  { path, uid, title }: { readonly path: string; readonly uid: string; readonly title: string },
): Promise<void> {
  const deadline = Date.now() + goneTimeoutMs;
  let delay = 50;
  for (let live = await readLive(context, path); live?.metadata.uid === uid;) {
    if (Date.now() > deadline) {
      throw new DevloopError("TIMEOUT", `${title} is still being deleted after ${goneTimeoutMs / 1000} s`, {
        hint: "a finalizer may hold it: see metadata.finalizers of the object",
      });
    }
    context.onProgress({ message: `waiting for ${title} to be gone` });
    await pause(delay, context);
    delay = Math.min(delay * 1.5, 1000);
    live = await readLive(context, path);
  }
}
