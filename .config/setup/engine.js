import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { askDoctor } from "./doctor.js";
import { capture, failure, run } from "./programs.js";
import { isRoot, linux, unattended } from "./system.js";

const log = "/var/log/docker.log";
/** How long an engine may take until it answers, in ms. */
const startLimitMs = 30_000;

/**
 * Sees that a container engine answers. On Debian and Ubuntu, as root, one is installed and started; elsewhere the error says
 * what to install or start.
 * @returns {Promise<import("./steps.js").Step>}
 */
export async function engine() {
  const asked = await capture("docker", ["version", "--format", "{{.Server.Version}}"], {
    timeoutMs: 20_000,
  });
  if (asked.exitCode === 0) return { why: `Docker ${asked.stdout.trim()} answers` };
  // devloop itself asks further sockets than the docker command does, and needs no docker command.
  const told = (await askDoctor())?.engine;
  if (told?.status === "ok") return { why: told.message };
  const { isDebian } = await linux();
  const elsewhere = process.env["DOCKER_HOST"] ?? process.env["DOCKER_CONTEXT"];
  if (!isDebian || !isRoot() || elsewhere !== undefined) {
    const words =
      asked.exitCode === 127 ? "no docker command is on PATH" : asked.stderr.trim().split("\n")[0];
    throw failure(
      `a container engine is needed and none answers: ${told?.message ?? words}`,
      told?.fix ?? "npm ci, then npx devloop doctor says which to install or start",
    );
  }
  const missing = !existsSync("/usr/sbin/dockerd") && !existsSync("/usr/bin/dockerd");
  return {
    why: missing ? "none here" : "installed, and does not answer",
    does: missing ? "apt-get install docker.io, and starts it" : "starts dockerd",
    run: async () => {
      if (missing) await install();
      await start();
    },
    fix: "apt-get install docker.io, and start it: service docker start",
  };
}

async function install() {
  await run("apt-get", ["-qq", "update"], unattended);
  // Newer Debians keep the docker command apart.
  const apart = (await capture("apt-cache", ["show", "docker-cli"])).exitCode === 0 ? ["docker-cli"] : [];
  const packages = ["docker.io", "iptables", ...apart];
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], unattended);
}

async function start() {
  const managed = existsSync("/run/systemd/system")
    ? await capture("systemctl", ["start", "docker"])
    : await capture("service", ["docker", "start"]);
  // Its script sets limits and mounts that some containers and small machines do not allow: the engine does without.
  if (managed.exitCode !== 0 && !(await answers())) startAlone();
  const end = Date.now() + startLimitMs;
  while (Date.now() < end) {
    if (await answers()) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const words = (await readFile(log, "utf8").catch(() => managed.stderr)).trim().split("\n").slice(-8);
  throw failure(
    `the engine was started and does not answer within ${startLimitMs / 1000} s\n${words.join("\n")}`,
    `its log is in ${log}, or in journalctl -u docker; a container has to be privileged to run an engine`,
  );
}

/** dockerd by itself; it stays when this process ends. */
function startAlone() {
  const output = openSync(log, "a");
  spawn("dockerd", [], { detached: true, stdio: ["ignore", output, output] })
    .on("error", () => undefined)
    .unref();
}

async function answers() {
  return (await capture("docker", ["version"], { timeoutMs: 5_000 })).exitCode === 0;
}
