import { posix } from "node:path";
import { isEnvironment, withoutAsides } from "./environments.js";
import { holders } from "./choose-context.js";
import type { FoundDockerfile, ImagePair, SkaffoldArtifact } from "./model.js";

export interface Pairing {
  readonly pairs: readonly ImagePair[];
  /** Images that might be built here, and by what is not known. */
  readonly openImages: readonly string[];
  readonly openDockerfiles: readonly FoundDockerfile[];
  /** Images that others publish. */
  readonly published: readonly string[];
}

/**
 * Which Dockerfile builds which image of the manifests, by name: that of the Dockerfile (`Dockerfile.web`), of its
 * directory, its package.json or its stages. What is left is paired when it is one of each. `artifacts` are known beforehand.
 */
export function pairImages(
  images: readonly string[],
  found: readonly FoundDockerfile[],
  { project, artifacts = [] }: { readonly project: string; readonly artifacts?: readonly SkaffoldArtifact[] },
): Pairing {
  const told = artifacts.flatMap((artifact) => toldPair(artifact, images, found) ?? []);
  const isTold = (image: string): boolean => told.some((pair) => pair.image === image);
  const dockerfiles = withoutAsides(found, ({ path }) => path).filter(
    (file) => !told.some(({ dockerfile }) => dockerfile === file),
  );
  const published = images.filter((image) => isPublished(image) && !isTold(image));
  const own = images.filter((image) => !isPublished(image) && !isTold(image));
  const named = pairByName(own, dockerfiles, project);
  const staged = own
    .filter((image) => !named.some((pair) => pair.image === image))
    .flatMap((image) => stagePair(image, dockerfiles, project) ?? []);
  const pairs: readonly ImagePair[] = [...told, ...named, ...staged];
  const openImages = own.filter((image) => !pairs.some((pair) => pair.image === image));
  const openDockerfiles = dockerfiles.filter((file) => !pairs.some(({ dockerfile }) => dockerfile === file));
  const [image, secondImage] = openImages;
  const [dockerfile, secondFile] = openDockerfiles;
  const isLast = secondImage === undefined && secondFile === undefined;
  if (image !== undefined && dockerfile !== undefined && isLast) {
    const last: ImagePair = { image, dockerfile, guessed: true };
    return { pairs: inOrder([...pairs, last], images), openImages: [], openDockerfiles: [], published };
  }
  return { pairs: inOrder(pairs, images), openImages, openDockerfiles, published };
}

/** The pairs in the order of the manifests' images. */
export function inOrder(pairs: readonly ImagePair[], images: readonly string[]): readonly ImagePair[] {
  return [...pairs].sort((left, right) => images.indexOf(left.image) - images.indexOf(right.image));
}

/** What a skaffold.yaml says of an image of the manifests, where its Dockerfile is there; its registry may be written or not. */
function toldPair(
  { image, dockerfile: path, context, target, args }: SkaffoldArtifact,
  images: readonly string[],
  dockerfiles: readonly FoundDockerfile[],
): ImagePair | undefined {
  const dockerfile = dockerfiles.find((file) => file.path === path);
  const named =
    images.find((each) => each === image) ?? images.find((each) => plainName(each) === plainName(image));
  if (dockerfile === undefined || named === undefined) return undefined;
  return {
    image: named,
    dockerfile,
    context,
    ...(target === undefined ? {} : { target }),
    ...(args === undefined ? {} : { args }),
  };
}

/** The best matches first; each image and each Dockerfile once. */
function pairByName(
  images: readonly string[],
  dockerfiles: readonly FoundDockerfile[],
  project: string,
): ImagePair[] {
  const matches = images
    .flatMap((image) =>
      dockerfiles.map((dockerfile) => ({ image, dockerfile, score: score(image, dockerfile, project) })),
    )
    .filter(({ score }) => score > 0)
    .sort(
      (left, right) =>
        right.score - left.score ||
        left.dockerfile.path.length - right.dockerfile.path.length ||
        (left.dockerfile.path < right.dockerfile.path ? -1 : 1),
    );
  const pairs: ImagePair[] = [];
  for (const { image, dockerfile } of matches) {
    if (pairs.some((pair) => pair.image === image || pair.dockerfile === dockerfile)) continue;
    pairs.push({ image, dockerfile });
  }
  return pairs;
}

/** How much speaks for the Dockerfile: 0 for nothing, 4 for its own name. */
function score(image: string, dockerfile: FoundDockerfile, project: string): number {
  const last = plainName(image);
  const { own, directory } = namesOf(dockerfile, project);
  if (own !== undefined) return nameScore(last, own, project) === 0 ? 0 : 1 + nameScore(last, own, project);
  const names = [...directory, ...(dockerfile.packageName === undefined ? [] : [dockerfile.packageName])];
  return Math.max(0, ...names.map((name) => nameScore(last, plainName(name), project)));
}

function nameScore(image: string, name: string, project: string): number {
  if (image === name) return 3;
  if (image === `${project}-${name}`) return 2;
  return image.endsWith(`-${name}`) || image.startsWith(`${name}-`) ? 1 : 0;
}

/** What to call the image of a Dockerfile, where nothing else names it: a name that a Deployment may have. */
export function imageNameOf(dockerfile: FoundDockerfile, project: string): string {
  const { own, directory } = namesOf(dockerfile, project);
  const name = own ?? dockerfile.packageName ?? directory[0] ?? project;
  return (
    plainName(name)
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 50) || project
  );
}

/** What a Dockerfile is called: by its own name, or by its directories from the nearest on. */
function namesOf(
  { path }: FoundDockerfile,
  project: string,
): { readonly own: string | undefined; readonly directory: readonly string[] } {
  const base = posix.basename(path);
  const suffix = (/^Dockerfile[.-](.+)$/i.exec(base) ?? /^(.+)\.Dockerfile$/i.exec(base))?.[1];
  const own = suffix === undefined || isEnvironment(suffix) ? undefined : plainName(suffix);
  const segments = posix.dirname(path).split("/");
  const meant = segments.findLast((segment) => segment !== "." && !holders.has(segment));
  return { own, directory: [meant === undefined ? project : plainName(meant)] };
}

function stagePair(
  image: string,
  dockerfiles: readonly FoundDockerfile[],
  project: string,
): ImagePair | undefined {
  for (const dockerfile of dockerfiles) {
    const target = dockerfile.stages.find((stage) => nameScore(plainName(image), stage, project) >= 2);
    if (target !== undefined) return { image, dockerfile, target };
  }
  return undefined;
}

/** `registry.example.com/team/my_web` as `my-web`. */
function plainName(name: string): string {
  return (name.split("/").at(-1) ?? name).toLowerCase().replace(/[._]+/g, "-");
}

/** Registries and names that projects take images from, and do not push to. */
const publishers =
  /^(?:quay\.io|registry\.k8s\.io|k8s\.gcr\.io|mcr\.microsoft\.com|public\.ecr\.aws|docker\.elastic\.co|gcr\.io\/distroless|bitnami|grafana|prom|hashicorp)\//;
const wellKnown: ReadonlySet<string> = new Set(
  (
    "alpine adminer busybox caddy cassandra consul couchdb debian elasticsearch eclipse-mosquitto golang haproxy " +
    "httpd influxdb kafka kibana mariadb memcached minio/minio mongo mongo-express mysql nats neo4j nginx node " +
    "postgres python rabbitmq redis registry solr traefik ubuntu valkey/valkey vault wordpress zookeeper"
  ).split(" "),
);

function isPublished(image: string): boolean {
  return wellKnown.has(image) || publishers.test(image);
}
