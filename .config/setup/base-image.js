import { chmod, copyFile, mkdir, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, failure, run } from "./programs.js";
import { isRoot, linux, unattended } from "./system.js";

/**
 * How a stand-in is made where no registry is reached: its files are laid into a directory, of this machine's own distribution,
 * so that what runs here runs there.
 * @typedef {{ of: string, command: string, tryOut: readonly string[],
 *   layOut: (place: { system: string, directory: string, codename: string }) => Promise<void> }} Recipe
 */

/** @type {Record<"node:20-bookworm-slim" | "busybox:1", Recipe>} */
const recipes = {
  "node:20-bookworm-slim": {
    of: `this machine's Node.js ${process.versions.node}`,
    command: "node",
    tryOut: ["node", "--version"],
    layOut: nodeSystem,
  },
  "busybox:1": {
    of: "its busybox-static",
    command: "sh",
    tryOut: ["sh", "-c", "true"],
    layOut: busyboxSystem,
  },
};

/**
 * Sees that an image is in the engine: pulled, or where no registry is reached made of this machine's own parts.
 * @param {keyof typeof recipes} image
 * @param {(text: string) => void} say
 * @returns {Promise<import("./steps.js").Step>}
 */
export async function baseImage(image, say) {
  const there = await capture("docker", ["image", "inspect", "--format", "{{json .Config.Labels}}", image]);
  const isEngineToCome = there.exitCode === 127 && (await linux()).isDebian && isRoot();
  if (there.exitCode === 127 && !isEngineToCome)
    return { why: `no docker command is here: the build fetches ${image}` };
  if (there.exitCode === 0) {
    const standIn = there.stdout.includes("devloop.stand-in");
    return { why: `${image} is there${standIn ? ", as a stand-in that was made here" : ""}` };
  }
  return {
    why: `${image} is not there`,
    does: `docker pull ${image}, or a stand-in where no registry is reached`,
    run: () => pullOrMake(image, say),
    fix: `docker pull ${image}, once this machine reaches a registry`,
  };
}

/**
 * However long the pull takes: only the engine knows whether it goes on.
 * @param {keyof typeof recipes} image
 * @param {(text: string) => void} say
 */
async function pullOrMake(image, say) {
  const pulled = await capture("docker", ["pull", "--quiet", image]);
  if (pulled.exitCode === 0) return;
  const { reason, isUnreached, fix } = judgePull(pulled.stderr);
  const { id, codename } = await linux();
  if (!isUnreached) throw failure(`${image} cannot be pulled: ${reason}`, fix ?? `docker pull ${image}`);
  // The step's own fix: a registry is to be reached.
  if (!["debian", "ubuntu"].includes(id) || !isRoot())
    throw new Error(`${image} cannot be pulled: ${reason}`);
  const recipe = recipes[image];
  say(`base image: no registry is reached: ${reason}`);
  say(
    `base image: makes a stand-in for ${image} of the packages of ${id} ${codename} and ${recipe.of}; to replace it: docker pull ${image}`,
  );
  await makeStandIn(image, recipe, codename);
}

/** How the engine says that the network does not lead to the registry. */
const unreached =
  /no such host|lookup \S+ on |server misbehaving|failure in name resolution|i\/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout|connection refused|(network|host) is unreachable|no route to host/i;
/** What is to be mended before a pull can succeed, though the registry may be reached. */
const fixes = /** @type {const} */ ([
  [/error during connect|docker daemon|docker API/i, "npx devloop doctor has the fix"],
  [/toomanyrequests|too many requests|rate limit/i, "docker login: logged in, more pulls are allowed"],
  [/proxy authentication required/i, "give the engine's proxy its password, then restart the engine"],
  [/unauthorized|denied|authentication required|incorrect username/i, "docker logout: the image is public"],
  [/x509|certificate/i, "let the engine's machine trust the proxy's certificate, then restart the engine"],
  [/no space left/i, "docker system df shows what takes the room, docker system prune makes some"],
]);

/**
 * Why a pull failed, by what the docker command printed. Only where the registry is not reached does a stand-in help: what a
 * registry refuses, or the engine cannot store, is to be mended.
 * @param {string} printed
 * @returns {{ reason: string, isUnreached: boolean, fix: string | undefined }}
 */
export function judgePull(printed) {
  const lines = printed.split("\n").filter((line) => line.trim() !== "");
  const reason =
    lines.find((line) => /error|cannot|failed/i.test(line)) ?? lines.at(-1) ?? "docker pull failed";
  const [, fix] = fixes.find(([pattern]) => pattern.test(reason)) ?? [];
  return { reason: reason.trim(), isUnreached: fix === undefined && unreached.test(reason), fix };
}

/**
 * An image under the public one's name, marked by a label.
 * @param {string} image
 * @param {Recipe} recipe
 * @param {string} codename
 */
async function makeStandIn(image, { command, tryOut, layOut }, codename) {
  const directory = await mkdtemp(join(tmpdir(), "devloop-setup-"));
  try {
    const system = join(directory, "root");
    await run("apt-get", ["-qq", "update"], unattended);
    await layOut({ system, directory, codename });
    const tar = join(directory, "root.tar");
    const without = ["./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/locale"];
    await run("tar", ["-C", system, ...without.map((path) => `--exclude=${path}`), "-cf", tar, "."]);
    const changes = [
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      `CMD ["${command}"]`,
      "LABEL devloop.stand-in=true",
    ];
    await run("docker", ["import", ...changes.flatMap((change) => ["-c", change]), tar, image]);
    const tried = await capture("docker", ["run", "--rm", "--network=none", image, ...tryOut]);
    if (tried.exitCode === 0) return;
    await capture("docker", ["image", "rm", image]);
    throw failure(
      `the stand-in does not run ${tryOut.join(" ")}: ${tried.stderr.trim()}`,
      `docker pull ${image}, once this machine reaches a registry`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * A minimal system with this machine's own Node.js.
 * @param {{ system: string, codename: string }} place
 */
async function nodeSystem({ system, codename }) {
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "debootstrap"], unattended);
  const node = await realpath(process.execPath);
  // A distribution's own Node.js is made of many libraries: it comes as a package then.
  const packaged = (await capture("ldd", [node])).stdout.includes("libnode");
  const include = `--include=${packaged ? "nodejs" : "libstdc++6"}`;
  await run("debootstrap", ["--variant=minbase", include, codename, system, ...(await mirror(codename))]);
  if (packaged) return;
  await mkdir(join(system, "usr/local/bin"), { recursive: true });
  await copyFile(node, join(system, "usr/local/bin/node"));
  await chmod(join(system, "usr/local/bin/node"), 0o755);
}

/**
 * busybox alone, with a name for each of its programs.
 * @param {{ system: string, directory: string }} place
 */
async function busyboxSystem({ system, directory }) {
  const unpacked = join(directory, "package");
  await mkdir(unpacked);
  const asRoot = ["-o", "APT::Sandbox::User=root"];
  await run("apt-get", ["-qq", ...asRoot, "download", "busybox-static"], { cwd: unpacked });
  for (const file of await readdir(unpacked)) await run("dpkg-deb", ["-x", file, "."], { cwd: unpacked });
  for (const path of ["bin", "etc", "tmp", "root"]) await mkdir(join(system, path), { recursive: true });
  await chmod(join(system, "tmp"), 0o1777);
  await copyFile(join(unpacked, "bin/busybox"), join(system, "bin/busybox"));
  await chmod(join(system, "bin/busybox"), 0o755);
  const { stdout } = await capture(join(system, "bin/busybox"), ["--list"]);
  for (const name of stdout.trim().split("\n"))
    if (name !== "busybox") await symlink("busybox", join(system, "bin", name));
}

/**
 * Where this machine's own packages come from; without one, debootstrap knows.
 * @param {string} codename
 */
async function mirror(codename) {
  const format = ["indextargets", "--format", "$(REPO_URI)", `Codename: ${codename}`];
  const { stdout } = await capture("apt-get", format);
  const first = stdout.split("\n")[0] ?? "";
  return first === "" ? [] : [first];
}
