import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { failure, root, run } from "./programs.js";

/** Throws where this Node.js is older than what package.json asks for. */
export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw failure(
    `Node.js ${process.versions.node} is too old: 20.19 or later is needed`,
    "nvm install 22   (or https://nodejs.org)",
  );
}

/**
 * Installs what the lock file names where that is not so already.
 * @returns {Promise<import("./steps.js").Step>}
 */
export async function dependencies() {
  const [wanted, installed] = await Promise.all([
    packagesIn("package-lock.json"),
    // npm's own note of what it installed.
    packagesIn("node_modules/.package-lock.json"),
  ]);
  if (installed !== undefined && areEqual(wanted ?? {}, installed))
    return { why: "as the lock file has them" };
  return {
    why: installed === undefined ? "not installed" : "other than the lock file has them",
    does: "npm ci",
    // Without its scripts: what those build is the next step.
    // And with its words for errors, which `npm --silent start` would take away.
    run: () =>
      run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
        env: { npm_config_loglevel: "error" },
      }),
    fix: "npm ping says whether the registry can be reached; behind a proxy: npm config set proxy and https-proxy",
  };
}

/** @typedef {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }>} Packages */

/**
 * @param {string} file
 * @returns {Promise<Packages | undefined>}
 */
async function packagesIn(file) {
  const text = await readFile(join(root, file), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  /** @type {unknown} */
  const parsed = JSON.parse(text);
  return /** @type {{ packages: Packages }} */ (parsed).packages;
}

/**
 * Optional packages are those of one platform: they may be left out.
 * @param {Packages} wanted
 * @param {Packages} installed
 */
function areEqual(wanted, installed) {
  const { "": _project, ...packages } = wanted;
  return (
    Object.entries(installed).every(([path, { version }]) => packages[path]?.version === version) &&
    Object.entries(packages).every(
      ([path, { optional, devOptional }]) => path in installed || optional || devOptional,
    )
  );
}

/** @returns {import("./steps.js").Step} */
export function build() {
  return {
    why: "dist is made from src",
    does: "node .config/build.js",
    run: () => run(process.execPath, [".config/build.js"]),
    fix: "npm ci, then npm start once more; git status shows what was changed in src",
  };
}
