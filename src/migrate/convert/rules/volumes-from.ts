import type { ServiceVolume } from "../../compose/model.js";
import { mergeParts, type Part, type ServiceView } from "../plan.js";
import { findService } from "../pod-owner.js";
import { treatBind } from "./binds.js";
import { volumePart } from "./volumes.js";

interface Inherited {
  /** The key of the service under whose `volumes` it stands, and where. */
  readonly owner: string;
  readonly index: number;
  readonly volume: ServiceVolume;
}

/** `volumes_from`: the same claims and files at the same paths, as far as pods can share them. */
export function volumesFromRule(view: ServiceView): Part {
  const own = new Set((view.service.volumes ?? []).map(({ target }) => target));
  const taken = new Set(own);
  const parts = (view.service.volumes_from ?? []).map((text, position): Part => {
    const path = ["volumes_from", position];
    const [first = "", second = "", third] = text.split(":");
    const outside = first === "container";
    const mode = outside ? third : second;
    if (outside) {
      view.say(
        "decision",
        path,
        `${second} is a container outside the project: mount a claim that both have`,
      );
      return {};
    }
    const inherited = volumesOf(first, view, new Set()).filter(({ volume }) => {
      const isNew = !taken.has(volume.target);
      taken.add(volume.target);
      return isNew;
    });
    const shared = inherited.filter((each) => isShared(each, view));
    const others = inherited.filter((each) => !shared.includes(each)).map(({ volume }) => volume.target);
    if (others.length > 0)
      view.say(
        "decision",
        path,
        `pods cannot share ${others.join(", ")} of ${first}: give it a named volume, or mount it under volumes here`,
      );
    else
      view.say(
        "converted",
        path,
        shared.length === 0
          ? `${first} has no volume that is not mounted here`
          : `mounts ${shared.map(({ volume }) => volume.target).join(", ")} as ${first} does`,
      );
    return mergeParts(shared.map((each) => partOf(view, each, mode === "ro")));
  });
  return mergeParts(parts);
}

/** What a service mounts, and what it takes over from others in its turn. */
function volumesOf(key: string, view: ServiceView, seen: ReadonlySet<string>): readonly Inherited[] {
  const { project } = view;
  const service = findService(key, project);
  if (!service || seen.has(key)) return [];
  const mounted = (service.volumes ?? []).map((volume, index) => ({ owner: key, index, volume }));
  const further = (service.volumes_from ?? []).flatMap((text) =>
    text.startsWith("container:") ? [] : volumesOf(text.split(":")[0] ?? "", view, new Set([...seen, key])),
  );
  return [...mounted, ...further];
}

function isShared({ owner, volume }: Inherited, { project, sources }: ServiceView): boolean {
  if (volume.type === "volume") return volume.source !== undefined;
  const service = findService(owner, project);
  if (volume.type !== "bind" || !service) return false;
  const { kind } = treatBind(volume, service, project, sources);
  return kind === "claim" || kind === "files";
}

/** As the owner's rule makes it, under the owner's names; what is told of it stands at the owner's key. */
function partOf(view: ServiceView, { owner, index, volume }: Inherited, readOnly: boolean): Part {
  const service = findService(owner, view.project) ?? view.service;
  const silent: ServiceView = { ...view, key: owner, service, say: () => undefined, sayAll: () => undefined };
  return volumePart(silent, readOnly ? { ...volume, read_only: true } : volume, index);
}
