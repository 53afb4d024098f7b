import { chmod, copyFile, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, failure, run } from "./programs.js";
import { isRoot, linux, unattended } from "./system.js";

const image = "node:20-bookworm-slim";

/**
 * Sees that the example's base image is in the engine: pulled, or where no registry is reached made of this machine's own parts.
 * @param {(text: string) => void} say
 * @returns {Promise<import("./steps.js").Step>}
 */
export async function baseImage(say) {
  const there = await capture("docker", ["image", "inspect", "--format", "{{json .Config.Labels}}", image]);
  if (there.exitCode === 127) return { why: "no docker command is here: the build fetches it" };
  if (there.exitCode === 0) {
    const standIn = there.stdout.includes("devloop.stand-in");
    return { why: `${image} is there${standIn ? ", as the stand-in that npm start made" : ""}` };
  }
  return {
    why: `${image} is not there`,
    does: `docker pull ${image}, or a stand-in where no registry is reached`,
    run: () => pullOrMake(say),
    fix: `docker pull ${image}, once this machine reaches a registry`,
  };
}

/** @param {(text: string) => void} say */
async function pullOrMake(say) {
  const pulled = await capture("docker", ["pull", "--quiet", image], { timeoutMs: 300_000 });
  if (pulled.exitCode === 0) return;
  const reason = pulled.stderr.trim().split("\n").at(-1);
  const { id, codename } = await linux();
  if (!["debian", "ubuntu"].includes(id) || !isRoot())
    throw new Error(`${image} cannot be pulled: ${reason}`);
  say(`base image: no registry is reached: ${reason}`);
  say(
    `base image: makes a stand-in for ${image} of ${id} ${codename}'s packages and this machine's Node.js ${process.versions.node}; to replace it: docker pull ${image}`,
  );
  await makeStandIn(codename);
}

/**
 * A minimal system of this machine's own distribution, so that its Node.js runs there, under the public image's name.
 * @param {string} codename
 */
async function makeStandIn(codename) {
  const directory = await mkdtemp(join(tmpdir(), "devloop-start-"));
  try {
    await run("apt-get", ["-qq", "update"], unattended);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "debootstrap"], unattended);
    const system = join(directory, "root");
    const node = await realpath(process.execPath);
    // A distribution's own Node.js is made of many libraries: it comes as a package then.
    const packaged = (await capture("ldd", [node])).stdout.includes("libnode");
    const include = packaged ? "nodejs" : "libstdc++6";
    await run("debootstrap", [
      "--variant=minbase",
      `--include=${include}`,
      codename,
      system,
      ...(await mirror(codename)),
    ]);
    if (!packaged) {
      await mkdir(join(system, "usr/local/bin"), { recursive: true });
      await copyFile(node, join(system, "usr/local/bin/node"));
      await chmod(join(system, "usr/local/bin/node"), 0o755);
    }
    const tar = join(directory, "root.tar");
    const without = ["./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/locale"];
    await run("tar", ["-C", system, ...without.map((path) => `--exclude=${path}`), "-cf", tar, "."]);
    const changes = [
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      'CMD ["node"]',
      "LABEL devloop.stand-in=true",
    ];
    await run("docker", ["import", ...changes.flatMap((change) => ["-c", change]), tar, image]);
    const tried = await capture("docker", ["run", "--rm", "--network=none", image, "node", "--version"]);
    if (tried.exitCode === 0) return;
    await capture("docker", ["image", "rm", image]);
    throw failure(
      `the stand-in does not run Node.js: ${tried.stderr.trim()}`,
      `docker pull ${image}, once this machine reaches a registry`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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
