import type { ComposeProject, ComposeService } from "../compose/model.js";
import { bakedBinds, localContext } from "./rules/binds.js";
import type { Sources } from "./sources.js";

/** An image reference's name, without tag and digest. */
export function untagged(reference: string): string {
  return reference.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
}

/**
 * The image that each service runs, as it stands in the manifests: its own, or, when devloop builds it, a name that
 * devloop.yaml can have.
 */
export function imageNames(project: ComposeProject, sources: Sources): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const builders = new Map<string, string>();
  for (const [key, service] of allServices(project)) {
    const own = buildName(`${project.name}-${key}`);
    if (bakedBinds(service, project, sources).length > 0) names.set(key, own);
    else if (!service.build || localContext(service) === undefined) names.set(key, service.image ?? own);
    else {
      const build = JSON.stringify([service.build, service.platform]);
      // Services that differ only in what they run share an image.
      const same =
        service.image === undefined
          ? [...builders].find(([, other]) => other === build)?.[0]
          : untagged(service.image);
      const name = buildName(same ?? own);
      // Two services may build one image; one name for two different images cannot be.
      const taken = builders.get(name);
      const free = taken === undefined || taken === build ? name : own;
      builders.set(free, build);
      names.set(key, free);
    }
  }
  return names;
}

export function allServices(project: ComposeProject): readonly (readonly [string, ComposeService])[] {
  return [...Object.entries(project.services), ...Object.entries(project.disabledServices)];
}

/** A name by the grammar of image references: lower case, single separators. */
function buildName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9._/:-]+/g, "-")
    .replace(/(^|\/)[-._]+/g, "$1")
    .replace(/[-._]+(\/|$)/g, "$1")
    .replace(/\.{2,}/g, ".")
    .replace(/_{3,}/g, "__");
}
