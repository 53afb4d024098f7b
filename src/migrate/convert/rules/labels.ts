import { isLabelKey, isLabelValue } from "../names.js";
import type { Part, ServiceView } from "../plan.js";
import type { TreeMap } from "../tree.js";
import { komposeKeys } from "./kompose.js";

/** Labels that the manifests set themselves. */
const reserved = ["app.kubernetes.io/name", "app.kubernetes.io/part-of"];

/** `labels` and `annotations` of the container, `deploy.labels` of the service. */
export function labelsRule(view: ServiceView): Part {
  const { labels, annotations, deploy } = view.service;
  const onPod = entries(view, labels, ["labels"], "pod");
  const notes = entries(view, annotations, ["annotations"], "pod", true);
  const onWorkload = entries(view, deploy?.labels, ["deploy", "labels"], "workload");
  return {
    podLabels: onPod.labels,
    podAnnotations: { ...onPod.annotations, ...notes.annotations },
    labels: onWorkload.labels,
    annotations: onWorkload.annotations,
  };
}

/** A label of Docker is a label here if its key and value can be one; else an annotation; else it is told. */
function entries(
  view: ServiceView,
  given: Readonly<Record<string, string>> | undefined,
  at: readonly string[],
  place: string,
  annotate = false,
): { readonly labels: TreeMap; readonly annotations: TreeMap } {
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(given ?? {})) {
    const path = [...at, key];
    if (komposeKeys.has(key)) continue;
    if (!isLabelKey(key) || reserved.includes(key)) {
      view.say(
        "dropped",
        path,
        reserved.includes(key)
          ? "the manifests set it themselves"
          : "no label or annotation can have this key",
      );
    } else if (!annotate && isLabelValue(value)) {
      labels[key] = value;
      view.say("converted", path, `label of the ${place}`);
    } else {
      annotations[key] = value;
      view.say("converted", path, `annotation of the ${place}`);
    }
    if (key.startsWith("traefik.") || key.startsWith("caddy")) {
      view.say(
        "decision",
        path,
        "a proxy read this from Docker: write an Ingress, or a route of that proxy's own",
      );
    }
  }
  return { labels, annotations };
}
