import type { KubeObject } from "../kube.js";

/** The values of the Secrets among the objects, decoded. */
export function secretValues(objects: readonly KubeObject[]): string[] {
  return objects
    .filter((object) => object.kind === "Secret")
    .flatMap(({ data, stringData }) => [
      ...texts(data).map((value) => Buffer.from(value, "base64").toString("utf8")),
      ...texts(stringData),
    ]);
}

function texts(values: unknown): string[] {
  if (typeof values !== "object" || values === null) return [];
  return Object.values(values).filter((value) => typeof value === "string");
}
