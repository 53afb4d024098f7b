import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { configIn } from "../config/find-config.js";
import { chooseDeploys, deployPlace } from "../init/choose-deploys.js";
import { generateManifests } from "../init/generate-manifests.js";
import { devloopYaml } from "../init/devloop-yaml.js";
import type { DeployChoice, Findings, ImagePair, InitPlan } from "../init/model.js";
import { pairImages, type Pairing } from "../init/pair-images.js";
import { planInit, type Chosen } from "../init/plan.js";
import { suggestDockerfile } from "../init/suggest-dockerfile.js";
import { DevloopError } from "../lib/errors.js";
import { tableLines } from "../lib/table.js";
import { dnsName } from "../migrate/convert/names.js";
import { terminalAsk, type Ask } from "./ask.js";
import { findParts } from "./init/find-parts.js";
import { readFacts } from "./init/read-facts.js";
import { composeFileHere, migrateHere } from "./offer-migrate.js";
import { loadProject } from "./session/session.js";

export interface InitOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Take every default without asking. */
  readonly yes: boolean;
  /** Print what would be written instead of writing it. */
  readonly dryRun: boolean;
  /** Where there are Dockerfiles and no manifests: make these, too. */
  readonly generateManifests: boolean;
  /** Who answers; left out: the terminal, where there is one. */
  readonly ask?: Ask | undefined;
  readonly signal: AbortSignal;
}

/**
 * `devloop init`: writes devloop.yaml for the project in `cwd`. Resolves with the exit code: 1 where there is nothing to
 * deploy. Throws USAGE where the file exists already: it is never overwritten.
 */
export async function initCommand(options: InitOptions): Promise<number> {
  const { cwd, signal, dryRun } = options;
  const existing = await configIn(cwd);
  if (existing !== undefined) throw alreadyThere(basename(existing));
  const found = await findParts(cwd, { signal });
  const { choices, leftOut } = chooseDeploys(found);
  const ask = options.yes ? undefined : (options.ask ?? terminalAsk({ signal }));
  if (choices.length === 0) return await withoutManifests(found, { ...options, ask });

  const name = dnsName(basename(cwd), "project");
  const chosen = await choose(choices, { cwd, ask, signal });
  const images = [...new Set(chosen.flatMap(({ facts }) => facts.images))];
  const pairing = pairImages(images, found.dockerfiles, {
    project: name,
    artifacts: found.skaffold?.artifacts ?? [],
  });
  const answers = ask === undefined ? [] : await askForPairs(pairing, ask);
  const plan = planInit(name, found, { chosen, pairing, answers, leftOut });
  const text = devloopYaml(plan);
  // What it writes must load: with the same checks that devloop up makes.
  await loadProject({ cwd, env: options.env, profiles: [], text });
  if (dryRun) {
    process.stdout.write(text);
    return 0;
  }
  await writeNew(join(cwd, "devloop.yaml"), text);
  process.stdout.write(summary(plan));
  return 0;
}

async function choose(
  choices: readonly DeployChoice[],
  { cwd, ask, signal }: { readonly cwd: string; readonly ask: Ask | undefined; readonly signal: AbortSignal },
): Promise<readonly Chosen[]> {
  const chosen: Chosen[] = [];
  for (const choice of choices) {
    const index =
      choice.sure || ask === undefined
        ? 0
        : await ask.choose("which of these is for development?", choice.options.map(deployPlace), 0);
    const source = choice.options[index] ?? choice.options[0];
    chosen.push({ source, choice, facts: await readFacts(cwd, source, { signal }) });
  }
  return chosen;
}

/** For each Dockerfile whose image the names do not tell: which one it is. */
async function askForPairs({ openImages, openDockerfiles }: Pairing, ask: Ask): Promise<ImagePair[]> {
  const pairs: ImagePair[] = [];
  for (const dockerfile of openDockerfiles) {
    const left = openImages.filter((image) => !pairs.some((pair) => pair.image === image));
    if (left.length === 0) break;
    const index = await ask.choose(
      `which image of the manifests does ${dockerfile.path} build?`,
      [...left, "none of them"],
      left.length,
    );
    const image = left[index];
    if (image !== undefined) pairs.push({ image, dockerfile });
  }
  return pairs;
}

/** Nothing here can be deployed: says what is missing, and offers migrate for a compose file. */
async function withoutManifests(
  found: Findings,
  options: InitOptions & { readonly ask: Ask | undefined },
): Promise<number> {
  const compose = await composeFileHere(options.cwd);
  if (compose !== undefined) {
    process.stdout.write(
      `there is ${compose} and there are no Kubernetes manifests: devloop migrate makes them from it, and devloop.yaml\n`,
    );
    const wanted = options.yes || ((await options.ask?.confirm("run devloop migrate now?")) ?? false);
    if (wanted) return await migrateHere(options, { dryRun: options.dryRun });
    process.stdout.write("next: devloop migrate --dry-run, then devloop migrate\n");
    return 1;
  }
  const [first] = found.dockerfiles;
  const making =
    first !== undefined &&
    (options.generateManifests ||
      ((await options.ask?.confirm(
        `there is ${first.path} and there are no Kubernetes manifests: make a plain kustomize base and overlay in k8s?`,
      )) ??
        false));
  if (making) return await makeManifests(found, options);
  process.stdout.write(first === undefined ? withoutDockerfiles(found) : withoutMakingManifests(first.path));
  return 1;
}

function withoutMakingManifests(dockerfile: string): string {
  return (
    `there is ${dockerfile} and there are no Kubernetes manifests: nothing was written\n` +
    "next: devloop init --generate-manifests makes a plain kustomize base and overlay; or add a Deployment that names the image, then devloop init\n"
  );
}

function withoutDockerfiles(found: Findings): string {
  const suggested = suggestDockerfile(found);
  const unread = found.unread
    .map((path) => `${path} is not read: what it deploys has to be in files\n`)
    .join("");
  if (suggested === undefined)
    return (
      `there are no Dockerfiles, Kubernetes manifests or compose files here: nothing was written\n${unread}` +
      "next: go to the directory of a project that has them\n"
    );
  const lines = suggested.text.trimEnd().split("\n");
  return (
    `there is ${suggested.evidence} and there is no Dockerfile, which devloop builds images from: nothing was written\n${unread}` +
    `a Dockerfile to begin with:\n\n${lines.map((line) => `    ${line}`).join("\n")}\n\n` +
    "next: save it as Dockerfile, with an EXPOSE line for its port, then devloop init --generate-manifests\n"
  );
}

/** Writes a plain base, an overlay for development, and the devloop.yaml for them; nothing where one of the files is there. */
async function makeManifests(found: Findings, options: InitOptions): Promise<number> {
  const { cwd } = options;
  const { plan, files } = generateManifests(dnsName(basename(cwd), "project"), found);
  const text = devloopYaml(plan);
  if (options.dryRun) {
    const all = [...files, ["devloop.yaml", text] as const];
    process.stdout.write(all.map(([path, content]) => `# ---- ${path}\n${content}`).join("\n"));
    return 0;
  }
  const there = found.files.find((path) => files.has(path));
  if (there !== undefined) throw alreadyThere(there);
  for (const [path, content] of files) {
    await mkdir(dirname(join(cwd, path)), { recursive: true });
    await writeNew(join(cwd, path), content);
  }
  await loadProject({ cwd, env: options.env, profiles: [], text });
  await writeNew(join(cwd, "devloop.yaml"), text);
  process.stdout.write(`${[...files.keys()].map((path) => `wrote ${path}\n`).join("")}${summary(plan)}`);
  return 0;
}

/** Writes a file that is not there yet; one that came meanwhile stays as it is. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw alreadyThere(basename(file));
    throw error;
  }
}

function alreadyThere(name: string): DevloopError {
  return new DevloopError("USAGE", `there is a ${name} here already: it is left as it is`, {
    hint: "devloop up runs it; to begin anew, move it away first",
  });
}

function summary({ images, deploys, forwards, pulled, unused, skaffold, unread }: InitPlan): string {
  const rows = [
    ...images.map(({ image, dockerfile }) => ["image", image, dockerfile.path]),
    ...deploys.map(({ source }) => ["deploy", deployPlace(source), ""]),
    ...forwards.map(({ service, local, remote }) => [
      "forward",
      `localhost:${local}`,
      `service ${service}, port ${remote}`,
    ]),
  ];
  const doubts = [
    ...(skaffold?.notTaken ?? []).map((each) => `not taken from ${skaffold?.path ?? ""}: ${each}`),
    ...unread.map((path) => `${path} was not read: compare what it says with devloop.yaml`),
    ...(images.length === 0 ? ["no image of the manifests is built here: every edit would go unseen"] : []),
    ...(unused.length === 0 ? [] : [`no image of the manifests goes with ${unused.join(", ")}`]),
    ...(unused.length === 0 || pulled.length === 0 ? [] : [`pulled, not built: ${pulled.join(", ")}`]),
    ...deploys.flatMap(({ source, problem }) =>
      problem === undefined ? [] : [`${deployPlace(source)} was read and not rendered: ${problem}`],
    ),
  ];
  return [
    "wrote devloop.yaml",
    "",
    ...tableLines(rows),
    ...(doubts.length === 0 ? [] : ["", ...doubts]),
    "",
    "next: devloop doctor   what this machine lacks",
    "      devloop up       the loop",
    "",
  ].join("\n");
}
