// `npm start`: what a fresh clone needs to show itself. Installs the dependencies from the lock file when they are missing or
// stale, builds, sees that a container engine and the example's base image are there, and runs `devloop up` on the example.
//   npm start                 until stopped; further arguments go to devloop up
//   npm start -- --once       until ready and one edit of the page is served, with its timing; then all is removed
//   npm start -- --dry-run    only says what it would do
// Plain Node.js: nothing is installed yet when it begins.
import { baseImage } from "./setup/base-image.js";
import { build, checkNode, dependencies } from "./setup/dependencies.js";
import { engine } from "./setup/engine.js";
import { neededProfiles, runOnce, runUp } from "./setup/example.js";
import { narrator } from "./setup/steps.js";

const args = process.argv.slice(2);
const dryRun = args.includes("--dry-run");
const once = args.includes("--once");
const { say, step, inAll } = narrator({ name: "start", dryRun });

try {
  checkNode();
  await step("dependencies", await dependencies());
  await step("build", build());
  await step("container engine", await engine());
  await step("base image", await baseImage("node:20-bookworm-slim", say));
  process.exitCode = await example(args.filter((arg) => arg !== "--once" && arg !== "--dry-run"));
} catch (error) {
  const { message, fix } = /** @type {Error & { fix?: string }} */ (error);
  console.error(`start: ${message}${fix === undefined ? "" : `\n  → ${fix}`}`);
  process.exitCode = 1;
}

/** @param {readonly string[]} further */
async function example(further) {
  const profiles = await neededProfiles();
  if (profiles === undefined) {
    say(
      "example: would run devloop up; without a usable cluster on the engine, without kustomize as rendered before",
    );
    return 0;
  }
  for (const { profile, why } of profiles) say(`example: ${why} (profile ${profile} of devloop.yaml)`);
  const argv = [...profiles.flatMap(({ profile }) => ["-p", profile]), ...further];
  const command = ["devloop up", ...argv].join(" ");
  const removal = ["npx devloop down", ...profiles.flatMap(({ profile }) => ["-p", profile])].join(" ");
  if (dryRun) {
    say(`example: would run ${command}${once ? ", edit its page, and remove it" : ""}`);
    return 0;
  }
  if (!once) {
    say(`example: ${command}; q or ctrl-c ends it, ${removal} removes what it deployed`);
    return await runUp(argv);
  }
  say(`example: ${command}, until an edit of its page is served`);
  const exitCode = await runOnce(argv, { say, removal });
  if (exitCode === 0) say(`done, ${inAll()} in all`);
  return exitCode;
}
