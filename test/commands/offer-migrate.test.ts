import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createAsk } from "../../src/commands/ask.js";
import { offerMigrate } from "../../src/commands/offer-migrate.js";
import { loadProject } from "../../src/commands/session/session.js";

let directory: string;
let printed: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "devloop-offer-"));
  await writeFile(join(directory, "docker-compose.yml"), "services:\n  web:\n    image: nginx\n");
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

/** Types the lines, then ends the input. */
function typing(...lines: readonly string[]) {
  const input = new PassThrough();
  const output = new PassThrough();
  const { signal } = new AbortController();
  // Each line comes with its question: readline would drop those that come together after the first.
  const left = [...lines];
  output.on("data", (chunk: Buffer) => {
    if (!/\] $|: $/.test(chunk.toString())) return;
    const line = left.shift();
    if (line === undefined) input.end();
    else input.write(`${line}\n`);
  });
  return createAsk({ input, output, signal });
}

const load = () => loadProject({ cwd: directory, profiles: [], env: {} });
const failure = () =>
  load().then(
    () => undefined,
    (error: unknown) => error,
  );
const options = () => ({ cwd: directory, env: {}, signal: new AbortController().signal });

describe("without a devloop.yaml", () => {
  it("the hint names devloop migrate and the compose file that is there", async () => {
    await expect(load()).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
      hint: "devloop migrate makes manifests and a devloop.yaml from docker-compose.yml; --dry-run shows them first",
    });
  });

  it("the hint names devloop init where there is no compose file, nothing at all for a file that was named", async () => {
    await rm(join(directory, "docker-compose.yml"));
    await expect(load()).rejects.toMatchObject({ hint: expect.stringMatching(/^devloop init /) as unknown });
    await writeFile(join(directory, "docker-compose.yml"), "services: {}\n");
    await expect(loadProject({ ...options(), file: "x.yaml", profiles: [] })).rejects.toMatchObject({
      message: "there is no file x.yaml",
      hint: expect.not.stringContaining("migrate") as unknown,
    });
  });

  it("up lists what migrate would write, and writes it for a yes", async () => {
    const error = await failure();
    expect(await offerMigrate(error, { ...options(), ask: typing("no") })).toBe(false);
    expect(printed).toContain("there is docker-compose.yml; devloop migrate would write:");
    expect(printed).toMatch(/^create +devloop\.yaml/m);
    expect(printed).not.toContain("# Migration");
    expect(await readdir(directory)).toEqual(["docker-compose.yml"]);
    expect(await offerMigrate(error, { ...options(), ask: typing("") })).toBe(true);
    await expect(load()).resolves.toMatchObject({ project: { images: [] } });
  });

  it("up offers nothing for other failures", async () => {
    expect(await offerMigrate(new Error("other"), { ...options(), ask: typing() })).toBe(false);
    const named = { ...options(), file: "x.yaml", ask: typing() };
    expect(await offerMigrate(await failure(), named)).toBe(false);
    expect(printed).toBe("");
  });
});

describe("questions", () => {
  it("takes a number, the default for nothing, and asks again for what is neither", async () => {
    expect(await typing("2").choose("which?", ["a", "b"], 0)).toBe(1);
    expect(await typing("").choose("which?", ["a", "b"], 1)).toBe(1);
    expect(await typing("9", "x", "0", "1").choose("which?", ["a", "b"], 1)).toBe(0);
    expect(await typing("maybe", "Y").confirm("sure?")).toBe(true);
  });

  it("ends with the input, and with the signal", async () => {
    await expect(typing().confirm("sure?")).rejects.toMatchObject({
      code: "USAGE",
      message: "the input ended before the answer",
    });
    const aborting = new AbortController();
    const ask = createAsk({ input: new PassThrough(), output: new PassThrough(), signal: aborting.signal });
    const answer = ask.confirm("sure?");
    aborting.abort(new Error("stop"));
    await expect(answer).rejects.toMatchObject({ name: "AbortError" });
    await expect(ask.confirm("sure?")).rejects.toThrow("stop");
  });
});
