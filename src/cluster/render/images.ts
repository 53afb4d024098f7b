import { DevloopError } from "../../lib/errors.js";
import { nearestFirst } from "../../lib/nearest.js";
import type { KubeObject } from "../kube.js";

/** The project's images that the objects run or mount, in the order of `imageNames`. */
export function usedImages(objects: readonly KubeObject[], imageNames: readonly string[]): string[] {
  const standing = new Set(standingImages(objects).map(imageName));
  return imageNames.filter((name) => standing.has(imageName(name)));
}

/**
 * The objects with the project's images replaced by the references to run, matched by name: tag, digest and
 * `docker.io/library/` do not matter. Where one is replaced, `Always` pulling becomes `IfNotPresent`, since the image is
 * put into the nodes by devloop. `missing` are the names in `refs` that no object uses.
 */
export function replaceImages(
  objects: readonly KubeObject[],
  refs: Readonly<Record<string, string>>,
): { objects: KubeObject[]; missing: string[] } {
  const byName = new Map(Object.entries(refs).map(([name, ref]) => [imageName(name), ref]));
  const replaced = objects.map((object) => {
    const copy = structuredClone(object);
    for (const place of imagePlaces(copy)) {
      const ref = byName.get(imageName(place.image));
      if (ref !== undefined) place.set(ref);
    }
    return copy;
  });
  const used = usedImages(objects, Object.keys(refs));
  return { objects: replaced, missing: Object.keys(refs).filter((name) => !used.includes(name)) };
}

/** The objects that run one of these images: held back while it is not built. */
export function waitingFor(
  objects: readonly KubeObject[],
  unbuilt: readonly string[],
): { waiting: KubeObject[]; ready: KubeObject[] } {
  const waiting = objects.filter((object) => usedImages([object], unbuilt).length > 0);
  return { waiting, ready: objects.filter((object) => !waiting.includes(object)) };
}

/** An image reference's name: `docker.io/library/redis:7@sha256:…` is `redis`. */
export function imageName(reference: string): string {
  const [undigested = ""] = reference.trim().split("@");
  const slash = undigested.lastIndexOf("/");
  const colon = undigested.indexOf(":", slash + 1);
  const name = colon < 0 ? undigested : undigested.slice(0, colon);
  return name.replace(/^(index\.)?docker\.io\//, "").replace(/^library\//, "");
}

/** Every image name that stands in the objects, once each, sorted. */
export function imageNames(objects: readonly KubeObject[]): string[] {
  return [...new Set(standingImages(objects).map(imageName))].sort();
}

/** The failure of a declared image that none of the manifests uses; `standing` are the names that they do use. */
export function unusedImage(name: string, standing: readonly string[]): DevloopError {
  return new DevloopError("IMAGE_NOT_USED", `image ${name} is declared but no manifest uses it`, {
    hint:
      standing.length === 0
        ? "the manifests name no image at all: is the workload's manifest part of the deploy?"
        : `the manifests name ${nearestFirst(imageName(name), standing).join(", ")}: use one of these under images`,
  });
}

function standingImages(objects: readonly KubeObject[]): string[] {
  return objects.flatMap((object) => [...imagePlaces(object)].map((place) => place.image));
}

interface ImagePlace {
  readonly image: string;
  set(ref: string): void;
}

const containerLists = ["containers", "initContainers", "ephemeralContainers"];

/** Every place where a container or an image volume names its image, whatever the kind: pod templates stand in CRDs too. */
function* imagePlaces(node: unknown): Generator<ImagePlace> {
  if (Array.isArray(node)) {
    for (const child of node) yield* imagePlaces(child);
    return;
  }
  if (!isRecord(node)) return;
  for (const [key, child] of Object.entries(node)) {
    if (key === "metadata" || key === "status") continue;
    if (containerLists.includes(key) && Array.isArray(child)) {
      for (const container of child) yield* place(container, "image", "imagePullPolicy");
    } else if (key === "container") {
      // Argo's Workflow has one container a template.
      yield* place(child, "image", "imagePullPolicy");
    } else if (key === "volumes" && Array.isArray(child)) {
      for (const volume of child) {
        if (isRecord(volume)) yield* place(volume["image"], "reference", "pullPolicy");
      }
    } else {
      yield* imagePlaces(child);
    }
  }
}

function* place(holder: unknown, field: string, policy: string): Generator<ImagePlace> {
  if (!isRecord(holder)) return;
  const image = holder[field];
  if (typeof image !== "string" || image === "") return;
  yield {
    image,
    set(ref) {
      holder[field] = ref;
      if (holder[policy] === "Always") holder[policy] = "IfNotPresent";
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
