import { familiarName } from "../cluster/disk/build-tag.js";
import type { StoredImage } from "../cluster/disk/image-store.js";
import type { Choice } from "../cluster/disk/select.js";
import { type DiskSurvey, type Removal, sumOf, surveyDisk } from "../cluster/disk/survey.js";
import { removeUnusedPodImages, unusedPodImages } from "../docker/target/pod-image.js";
import type { ClusterSpec } from "../engine/project.js";
import { DevloopError } from "../lib/errors.js";
import { age, bytes, count } from "../lib/format.js";
import { tableLines } from "../lib/table.js";
import { amount, findTarget, imageNames, keptBuilds, placeLine } from "./disk.js";
import { enginePlaces, openEngine } from "./session/adapters.js";
import { newestBuilds } from "./session/remembered-builds.js";
import { loadProject, type ProjectOptions } from "./session/session.js";

export interface GcOptions extends ProjectOptions {
  /** Only say what would be removed. */
  readonly dryRun: boolean;
  /** Every image that devloop built, of whatever project. */
  readonly all: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/**
 * `devloop gc`: removes old builds of the project's images from the engine and the cluster's nodes. Resolves with 1 when
 * something could not be removed.
 */
export async function gcCommand(options: GcOptions): Promise<number> {
  const { dryRun, all, json, env, signal } = options;
  const { name: project, cluster: spec, images, keepImages } = await projectOrAny(options);
  const adapter = openEngine(env);
  const { engine } = adapter;
  const { platform } = await engine.ping({ signal });
  const notes: string[] = [];
  const where = await findTarget(spec, {
    project,
    engine: adapter,
    env,
    onNote: (note) => notes.push(note),
    signal,
  });
  await using _target = where?.target;
  if (!where) notes.push("only the engine is looked at, since the cluster is not there to ask");
  const request = {
    keep: keptBuilds(keepImages),
    current: await newestBuilds(keptBuilds(keepImages), env),
    ...(all ? {} : { names: imageNames(images, where?.registry) }),
  };
  const survey = await surveyDisk(where?.disk ?? enginePlaces(adapter), request, { signal });
  const removal = dryRun ? undefined : await survey.remove({ signal });
  const pods = await (dryRun ? unusedPodImages : removeUnusedPodImages)(engine, platform, { signal });
  const report: Report = { survey, removal, pods, all, notes: [...notes, ...survey.notes] };
  if (json) process.stdout.write(`${JSON.stringify(jsonReport(report), null, 2)}\n`);
  else {
    for (const note of report.notes) process.stderr.write(`${note}\n`);
    process.stdout.write(`${textReport(report, Date.now()).join("\n")}\n`);
  }
  return removal?.left.some(({ reason }) => reason === "refused") ? 1 : 0;
}

/** The project, or with `all` whatever cluster is there where there is no project. */
async function projectOrAny(options: GcOptions): Promise<{
  readonly name: string;
  readonly cluster: ClusterSpec;
  readonly images: readonly { readonly name: string }[];
  readonly keepImages: number;
}> {
  try {
    return (await loadProject(options, { check: false })).project;
  } catch (error) {
    const none = error instanceof DevloopError && error.code === "CONFIG_NOT_FOUND";
    if (!none || !options.all || options.file !== undefined) throw error;
    return { name: "", cluster: { provider: "auto", create: false, allow: [] }, images: [], keepImages: 3 };
  }
}

interface Report {
  readonly survey: DiskSurvey;
  /** Left out for a dry run. */
  readonly removal: Removal | undefined;
  /** Of the pods' own program, which other versions of devloop made and nothing uses. */
  readonly pods: readonly string[];
  readonly all: boolean;
  readonly notes: readonly string[];
}

/** The table of builds, and the sums. */
export function textReport({ survey, removal, pods, all }: Report, now: number): string[] {
  const builds = groupBuilds(survey);
  const older = pods.map(
    (ref) => `${ref} of another version of devloop, which nothing uses: ${removal ? "removed" : "would go"}`,
  );
  if (builds.length === 0)
    return [
      ...older,
      all
        ? "there are no images that devloop built"
        : "there are no builds of this project's images; devloop gc --all looks at those of every project",
    ];
  const rows = builds.map((choices) => {
    const [{ image }] = choices;
    const where = choices.map(({ image: { place } }) => place).join(", ");
    const usedAt = Math.max(...choices.map((choice) => choice.image.usedAt));
    return [
      familiarName(image.repository),
      image.tag,
      where,
      usedAt === 0 ? "?" : age(now - usedAt),
      bytes(image.bytes),
      fate(choices, removal),
    ];
  });
  const sums = survey.places.filter(({ choices }) => choices.length > 0).map(placeLine);
  const table = tableLines([["IMAGE", "BUILD", "WHERE", "AGE", "SIZE", ""], ...rows]);
  return [...table, "", ...older, ...(removal ? [] : sums), conclusion(survey, removal)];
}

function conclusion(survey: DiskSurvey, removal: Removal | undefined): string {
  if (removal) {
    if (removal.removed.length === 0) return "nothing was removed";
    return `removed ${count(buildsIn(removal.removed), "build")}, ${amount(removal.freed)}`;
  }
  const going = survey.places.flatMap(({ choices }) =>
    choices.flatMap(({ image, keptFor }) => (keptFor === undefined ? [image] : [])),
  );
  if (going.length === 0) return "nothing is to be removed";
  const freed = sumOf(survey.places.map((place) => place.freed));
  return `devloop gc would remove ${count(buildsIn(going), "build")}, ${amount(freed)}`;
}

function fate(choices: readonly Choice[], removal: Removal | undefined): string {
  const [first] = choices;
  if (first?.keptFor !== undefined) return `kept: ${first.keptFor}`;
  if (!removal) return "would go";
  const left = removal.left.filter(({ image }) => choices.some((choice) => choice.image === image));
  return left.length === 0
    ? "removed"
    : left.map(({ image, message }) => `still in ${image.place}: ${message}`).join("; ");
}

/** The places' choices by build, and these by name; the newest first. */
function groupBuilds({ places }: DiskSurvey): readonly (readonly [Choice, ...Choice[]])[] {
  const builds = new Map<string, [Choice, ...Choice[]]>();
  for (const choice of places.flatMap(({ choices }) => choices)) {
    const key = buildKey(choice.image);
    const known = builds.get(key);
    if (known) known.push(choice);
    else builds.set(key, [choice]);
  }
  const lastUse = (choices: readonly Choice[]): number =>
    Math.max(...choices.map(({ image }) => image.usedAt));
  return [...builds.values()].sort(
    ([a, ...moreA], [b, ...moreB]) =>
      a.image.repository.localeCompare(b.image.repository) || lastUse([b, ...moreB]) - lastUse([a, ...moreA]),
  );
}

function buildsIn(images: readonly StoredImage[]): number {
  return new Set(images.map(buildKey)).size;
}

function buildKey({ repository, tag }: StoredImage): string {
  return `${repository}:${tag}`;
}

function jsonReport({ survey, removal, pods, notes }: Report): object {
  return {
    dryRun: removal === undefined,
    places: survey.places.map(({ place, held, freed }) => ({ place, held, freed })),
    images: survey.places.flatMap(({ choices }) =>
      choices.map(({ image, keptFor }) => {
        const { place, ref, usedAt, bytes: size } = image;
        const left = removal?.left.find((other) => other.image === image);
        return {
          place,
          ref,
          id: image.ids[0],
          bytes: size,
          ...(usedAt === 0 ? {} : { usedAt: new Date(usedAt).toISOString() }),
          fate: keptFor !== undefined ? "kept" : !removal ? "removable" : left ? "left" : "removed",
          ...(keptFor === undefined ? {} : { keptFor }),
          ...(left ? { failure: left.message } : {}),
        };
      }),
    ),
    podImages: pods,
    [removal ? "freed" : "wouldFree"]: removal?.freed ?? sumOf(survey.places.map((place) => place.freed)),
    notes,
  };
}
