import { basename } from "node:path";
import type { ImageSpec } from "../engine/project.js";
import type { SolveRequest } from "./buildkit/solve.js";
import { contextImage, exactReference } from "./dockerfile.js";

/** What BuildKit adds to an image beside its layers: https://docs.docker.com/build/metadata/attestations/. */
export type Attestation = keyof typeof attestationAttributes;

const attestationAttributes = {
  sbom: ["attest:sbom", ""],
  provenance: ["attest:provenance", "mode=min"],
  "provenance-max": ["attest:provenance", "mode=max"],
} as const;

/** What the Dockerfile goes by in the build, and in BuildKit's words on it. */
export function dockerfileName({ dockerfile }: ImageSpec): string {
  return dockerfile.kind === "file" ? basename(dockerfile.path) : "Dockerfile";
}

/** The name under which the build asks for the files of a named context. */
export function localName(context: string): string {
  return `context:${context}`;
}

/** An image's options as BuildKit's Dockerfile frontend reads them. */
export function frontendAttributes(
  {
    image,
    bases,
    platform,
    attest = [],
    gateway,
  }: {
    readonly image: ImageSpec;
    readonly bases: Readonly<Record<string, string>>;
    /** `os/arch[/variant]`, when the image's own is left out. */
    readonly platform?: string | undefined;
    readonly attest?: readonly Attestation[];
    /** What `host-gateway` stands for in `extraHosts`; left out where the engine does not tell. */
    readonly gateway?: string | undefined;
  },
  onNote: (message: string) => void,
): Omit<SolveRequest, "session"> {
  const own = Object.keys(bases);
  // Pulling is for all base images or none, and no registry has the project's own.
  const pull = image.pullBases && own.length === 0;
  if (image.pullBases && !pull)
    onNote(`pullBases is left out: ${image.name} builds on ${own.join(", ")} of this project`);
  const chosen = image.platform ?? platform;
  const attributes = {
    filename: dockerfileName(image),
    "image-resolve-mode": pull ? "pull" : "local",
    ...prefixed("build-arg:", image.args),
    ...prefixed("label:", image.labels),
    ...(image.target === undefined ? {} : { target: image.target }),
    ...(image.network === undefined ? {} : { "force-network-mode": image.network }),
    ...(image.extraHosts.length === 0
      ? {}
      : { "add-hosts": image.extraHosts.map((entry) => hostEntry(entry, gateway)).join(",") }),
    ...(chosen === undefined ? {} : { platform: chosen }),
    ...(image.noCache ? { "no-cache": "" } : {}),
    ...prefixed("context:", namedContexts(image, bases)),
    ...Object.fromEntries(attest.map((kind) => attestationAttributes[kind])),
  };
  return {
    attributes,
    cacheFrom: image.cacheFrom,
    entitlements: image.network === "host" ? ["network.host"] : [],
  };
}

/** The project's own images among them by the exact reference. */
function namedContexts(
  { contexts }: ImageSpec,
  bases: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const entries = Object.entries(contexts).map(([name, place]) => {
    if (place.kind === "directory") return [name, `local:${localName(name)}`] as const;
    const image = contextImage(place);
    const exact = image === undefined ? undefined : exactReference(image, bases);
    return [name, exact === undefined ? place.address : `docker-image://${exact}`] as const;
  });
  return Object.fromEntries(entries);
}

function prefixed(
  prefix: string,
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
}

/** `host:ip` as `host=ip`; an address of IPv6 keeps its colons. */
function hostEntry(entry: string, gateway = hostGatewayWord): string {
  const [host = "", ...ip] = entry.split(":");
  const address = ip.join(":");
  return `${host}=${address === hostGatewayWord ? gateway : address}`;
}

/** As docker and Compose have it: the engine's host. */
const hostGatewayWord = "host-gateway";

/** Whether an image's `extraHosts` name the engine's host. */
export function asksForGateway({ extraHosts }: ImageSpec): boolean {
  return extraHosts.some((entry) => entry.endsWith(`:${hostGatewayWord}`));
}
