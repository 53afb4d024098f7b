// The gate: `npm test`. Runs every stage, says how long each took, and ends with one line: "N passed, N failed".
//   node .config/test.js                    all stages
//   node .config/test.js unit               only the named ones: check, unit, integration, e2e
//   node .config/test.js unit test/config   what follows the stages goes to vitest
// Integration tests need a container engine and end-to-end tests a cluster as well. Where none answers they are left out
// with the reason; with CI=true that is a failure, and so is every test that skips itself. On a fresh clone the dependencies
// are installed first, as by `npm start`; which also gets an engine where there is none.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseImage } from "./setup/base-image.js";
import { checkNode, dependencies } from "./setup/dependencies.js";
import { capture, root } from "./setup/programs.js";
import { narrator } from "./setup/steps.js";

/** @typedef {{ passed: number, failed: number, skipped: number, note?: string }} Result */

const stageNames = ["check", "unit", "integration", "e2e"];
// These clusters are the tests' own: nodes are restarted and namespaces removed there. No other one is ever touched unasked.
const clusterPrefix = "devloop-test";
const kubeconfigVariables = ["DEVLOOP_TEST_KUBECONFIG_KIND", "DEVLOOP_TEST_KUBECONFIG_K3D"];

const inCi = process.env["CI"] === "true";
const { stages, vitestArgs } = readArguments(process.argv.slice(2));
const { say, step } = narrator({ name: "test", dryRun: false });
const scratch = await mkdtemp(join(tmpdir(), "devloop-test-"));
const reports = process.env["VITEST_REPORT_DIR"] ?? scratch;
await mkdir(reports, { recursive: true });

try {
  checkNode();
  await step("dependencies", await dependencies());
  process.exitCode = (await runStages()) ? 0 : 1;
} catch (error) {
  const { message, fix } = /** @type {Error & { fix?: string }} */ (error);
  console.log(`test: ${message}${fix === undefined ? "" : `\n  → ${fix}`}\n\n0 passed, 1 failed`);
  process.exitCode = 1;
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** Runs the stages one after another; true when nothing failed. */
async function runStages() {
  /** @type {Result} */
  const total = { passed: 0, failed: 0, skipped: 0 };
  const summary = [];
  for (const stage of stages) {
    console.log(`\n== ${stage}`);
    const startedAt = Date.now();
    const result = await runStage(stage);
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
    const note = result.note === undefined ? "" : ` (${result.note})`;
    summary.push(
      `${stage.padEnd(12)} ${seconds.padStart(7)} s  ${result.passed} passed, ${result.failed} failed${skipped}${note}`,
    );
  }
  console.log(`\n${summary.join("\n")}`);
  if (inCi && total.skipped > 0) {
    console.log(`${total.skipped} skipped: with CI=true each counts as failed`);
    total.failed += total.skipped;
  }
  // The last line, alone: scripts read it.
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0;
}

/**
 * @param {string} stage
 * @returns {Promise<Result>}
 */
async function runStage(stage) {
  if (stage === "check") return asOne(await npmRun("check"), "npm run check");
  if (["unit", "integration"].includes(stage)) await sayWithoutKustomize();
  if (stage === "unit") return await runVitest("unit", {});
  const engine = await findEngine();
  if (engine.missing !== undefined) return leaveOut(engine.missing);
  const images = await findImages();
  if (images.missing !== undefined) return leaveOut(images.missing);
  const cluster = await findClusters();
  if (stage === "integration" && Number.parseInt(engine.version ?? "") < 23)
    say(`Docker ${engine.version} is older than 23: what is compared with newer engines is left out`);
  if (stage === "integration" && cluster.missing !== undefined)
    say(`tests on clusters are left out: ${cluster.missing}`);
  if (stage === "integration") return await runVitest("integration", cluster.env);
  if (cluster.missing !== undefined) return leaveOut(cluster.missing);
  const build = asOne(await npmRun("build"), "npm run build");
  return build.failed > 0 ? build : await runVitest("e2e", cluster.env);
}

/**
 * A step that is no test run counts as one test.
 * @param {number} exitCode
 * @param {string} what
 * @returns {Result}
 */
function asOne(exitCode, what) {
  if (exitCode === 0) return { passed: 1, failed: 0, skipped: 0 };
  return { passed: 0, failed: 1, skipped: 0, note: `${what} exited with ${exitCode}` };
}

/**
 * @param {string} reason
 * @returns {Result}
 */
function leaveOut(reason) {
  console.log(`left out: ${reason}`);
  return { passed: 0, failed: inCi ? 1 : 0, skipped: 0, note: "left out" };
}

/**
 * @param {string} project
 * @param {Record<string, string>} env
 * @returns {Promise<Result>}
 */
async function runVitest(project, env) {
  const report = join(reports, `${project}.json`);
  await rm(report, { force: true });
  const args = ["run", "-c", ".config/vitest.config.ts", "--project", project];
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const exitCode = await run("node_modules/.bin/vitest", [...args, ...reporters, ...vitestArgs], env);
  const text = await readFile(report, "utf8").catch(() => "{}");
  /** @type {unknown} */
  const parsed = JSON.parse(text);
  const counts = /** @type {Record<string, number>} */ (parsed);
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = counts;
  const result = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  if (exitCode === 0 || result.failed > 0) return result;
  // A file that does not load, an unhandled rejection, no tests at all: no test failed, and yet the run did.
  return { ...result, failed: 1, note: `vitest exited with ${exitCode}` };
}

/** Tests that render are left out without it, and fail with CI=true. */
async function sayWithoutKustomize() {
  const asked = [ask("kustomize", ["version"]), ask("kubectl", ["version", "--client"])];
  if ((await Promise.all(asked)).some(({ exitCode }) => exitCode === 0)) return;
  say("tests that render kustomizations are left out: neither kustomize nor kubectl is on PATH");
}

/** @returns {Promise<{ missing?: string, version?: string }>} */
async function findEngine() {
  const { exitCode, stdout, stderr } = await ask("docker", ["version", "--format", "{{.Server.Version}}"]);
  return exitCode === 0
    ? { version: stdout.trim() }
    : { missing: `no container engine answers: ${firstLine(stderr)}; npm start gets one` };
}

/**
 * The images that tests build from.
 * @returns {Promise<{ missing?: string }>}
 */
async function findImages() {
  try {
    await step("base image", await baseImage("busybox:1", say));
    await step("base image", await baseImage("node:20-bookworm-slim", say));
    return {};
  } catch (error) {
    const { message, fix } = /** @type {Error & { fix?: string }} */ (error);
    return { missing: `${firstLine(message)}; ${fix}` };
  }
}

/**
 * The clusters named by the environment; else those on the engine whose name shows that they are the tests' own.
 * @returns {Promise<{ env: Record<string, string>, missing?: string }>}
 */
async function findClusters() {
  /** @type {Record<string, string>} */
  const env = {};
  for (const variable of kubeconfigVariables) {
    const file = process.env[variable] ?? "";
    if (file !== "") env[variable] = file;
  }
  if (Object.keys(env).length === 0) Object.assign(env, await discoverClusters());
  if (Object.keys(env).length === 0) {
    const missing = `no cluster: neither ${kubeconfigVariables.join(" nor ")} is set, and no kind or k3d cluster called ${clusterPrefix}… runs; try: kind create cluster --name ${clusterPrefix}`;
    return { env, missing };
  }
  for (const [variable, file] of Object.entries(env)) {
    const problem = await problemOf(file);
    if (problem !== undefined) return { env: {}, missing: `${variable}: ${problem}` };
  }
  return { env };
}

/** @returns {Promise<Record<string, string>>} */
async function discoverClusters() {
  /** @type {Record<string, string>} */
  const env = {};
  const flavours = [
    { label: "io.x-k8s.kind.cluster", variable: "DEVLOOP_TEST_KUBECONFIG_KIND", tool: "kind" },
    { label: "k3d.cluster", variable: "DEVLOOP_TEST_KUBECONFIG_K3D", tool: "k3d" },
  ];
  for (const { label, variable, tool } of flavours) {
    const format = `{{.Label "${label}"}}`;
    const { stdout } = await ask("docker", ["ps", "--filter", `label=${label}`, "--format", format]);
    const name = stdout.split("\n").find((line) => line.startsWith(clusterPrefix));
    if (name === undefined) continue;
    const args = tool === "kind" ? ["get", "kubeconfig", "--name", name] : ["kubeconfig", "get", name];
    const kubeconfig = await ask(tool, args);
    if (kubeconfig.exitCode !== 0) {
      console.log(`${tool} cluster ${name} is not used: ${firstLine(kubeconfig.stderr)}`);
      continue;
    }
    const file = join(scratch, `${tool}.kubeconfig`);
    await writeFile(file, kubeconfig.stdout, { mode: 0o600 });
    env[variable] = file;
  }
  return env;
}

/**
 * Why the cluster of a kubeconfig cannot be used; any HTTP answer of its server will do.
 * @param {string} file
 * @returns {Promise<string | undefined>}
 */
async function problemOf(file) {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return `${file} cannot be read`;
  const { parse } = await import("yaml");
  /** @type {unknown} */
  const parsed = parse(text);
  const config = /** @type {{ clusters?: { cluster?: { server?: string } }[] } | null} */ (parsed);
  const server = config?.clusters?.[0]?.cluster?.server;
  if (server === undefined) return `${file} names no server`;
  return await new Promise((resolve) => {
    const attempt = request(new URL("/version", server), { rejectUnauthorized: false, timeout: 5000 });
    attempt.on("response", (response) => {
      response.resume();
      resolve(undefined);
    });
    attempt.on("timeout", () => attempt.destroy(new Error("no answer within 5 s")));
    attempt.on("error", (error) => {
      resolve(`${server} does not answer: ${error.message}`);
    });
    attempt.end();
  });
}

/** @param {string} script */
function npmRun(script) {
  return run("npm", ["run", "--silent", script], {});
}

/**
 * Runs a program with this one's output; its exit code, 1 when a signal ended it or it did not start.
 * @param {string} file
 * @param {string[]} args
 * @param {Record<string, string>} env
 * @returns {Promise<number>}
 */
function run(file, args, env) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
    child.on("error", (error) => {
      console.log(`${file}: ${error.message}`);
      resolve(1);
    });
    child.on("close", (code) => {
      resolve(code ?? 1);
    });
  });
}

/**
 * Runs a program and keeps what it prints.
 * @param {string} file
 * @param {string[]} args
 */
function ask(file, args) {
  return capture(file, args, { timeoutMs: 20_000 });
}

/** @param {string} text */
function firstLine(text) {
  return text.trim().split("\n")[0] ?? "";
}

/** @param {string[]} args */
function readArguments(args) {
  const end = args.findIndex((arg) => !stageNames.includes(arg));
  const named = end === -1 ? args : args.slice(0, end);
  return {
    stages: named.length === 0 ? stageNames : stageNames.filter((stage) => named.includes(stage)),
    vitestArgs: end === -1 ? [] : args.slice(end),
  };
}
