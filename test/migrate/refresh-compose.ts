// Records what Docker Compose makes of the projects in test/fixtures/compose: `expected.json` beside each.
// usage: DOCKER_COMPOSE=/path/to/docker-compose npx tsx test/migrate/refresh-compose.ts [NAME…]
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { fixtureNames, fixtureOptions, fixturesRoot, rootPlaceholder } from "./compose/fixture.js";

const compose = process.env["DOCKER_COMPOSE"];
if (compose === undefined)
  throw new Error("DOCKER_COMPOSE must name the docker-compose binary (version 2.40 or later)");

const wanted = process.argv.slice(2);
// A directory of its own, so that nothing above the projects counts.
const root = realpathSync(mkdtempSync(join(tmpdir(), "compose-oracle-")));
try {
  cpSync(fixturesRoot, root, { recursive: true });
  for (const name of fixtureNames().filter((each) => wanted.length === 0 || wanted.includes(each))) {
    await record(name, compose);
  }
} finally {
  rmSync(root, { recursive: true });
}

async function record(name: string, file: string): Promise<void> {
  const { cwd, env, files, projectDirectory, profiles, envFiles, name: project } = fixtureOptions(name, root);
  const many = (flag: string, values: readonly string[] = []): readonly string[] =>
    values.flatMap((value) => [flag, value]);
  const one = (flag: string, value: string | undefined): readonly string[] =>
    many(flag, value === undefined ? [] : [value]);
  const args = [
    ...many("-f", files),
    ...one("--project-directory", projectDirectory),
    ...many("--profile", profiles),
    ...many("--env-file", envFiles),
    ...one("-p", project),
    ...["config", "--format", "json"],
  ];
  const result = await execa(file, args, { cwd, env, extendEnv: false, reject: false });
  if (result.exitCode !== 0) {
    process.stderr.write(`${name}: ${result.stderr}\n`);
    process.exitCode = 1;
    return;
  }
  const text = result.stdout.replaceAll(root, rootPlaceholder);
  writeFileSync(join(fixturesRoot, name, "expected.json"), `${text.trimEnd()}\n`);
}
