import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Agent } from "../../../src/cluster/sync/agent-types.js";
import { openContainerSync, type ContainerSync } from "../../../src/cluster/sync/container-sync.js";
import { makeTree, type SyncTree, type TreeEntry } from "../../../src/cluster/sync/tree.js";
import type { SyncAction } from "../../../src/engine/project.js";
import { compileSync } from "../../../src/engine/sync-rules.js";
import { type Connected, connect, makePlace, type Place } from "./agent-rig.js";
import type { SyncRequest } from "../../../src/cluster/sync/sync-request.js";

const signal = new AbortController().signal;
const container = {
  id: "c1",
  namespace: "n",
  pod: "web-1",
  podUid: "u",
  container: "web",
  image: "web:1",
  reconnects: 0,
};

let place: Place;
let connected: Connected;
let context: string;
/** What the next calls to the agent are made through: a connection that breaks at the worst moment. */
let through: (agent: Agent) => Agent;
let lost: () => void;
let sync: ContainerSync;
beforeEach(async () => {
  place = await makePlace();
  connected = await connect(place);
  context = await mkdtemp(join(tmpdir(), "devloop-context-"));
  through = (agent) => agent;
  sync = openContainerSync((onLost) => {
    lost = onLost;
    return {
      agent: () => Promise.resolve(through(connected.agent)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  });
});
afterEach(async () => {
  await sync[Symbol.asyncDispose]();
  await connected[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
  await rm(context, { recursive: true });
});

/** Writes the files here and brings them in; what `instead` says stands there when they are read. */
async function bring(
  files: Readonly<Record<string, string>>,
  then: SyncAction,
  {
    instead = {},
    former = [],
  }: { instead?: Readonly<Record<string, string>>; former?: readonly string[] } = {},
) {
  const tree = await write(files, then, instead);
  return sync.bring(
    requestOf(() => tree, former),
    container,
    quiet,
  );
}

const quiet = { signal, onOutput: () => undefined, onNote: () => undefined };
const requestOf = (tree: () => SyncTree, former: readonly string[] = []): SyncRequest => ({
  ...{ image: "web", tree, containers: [container], former, fresh: false },
});

async function write(
  files: Readonly<Record<string, string>>,
  then: SyncAction,
  instead: Readonly<Record<string, string>> = {},
): Promise<SyncTree> {
  const entries = await Promise.all(
    Object.entries(files).map(async ([name, text]): Promise<[string, TreeEntry]> => {
      await mkdir(dirname(join(context, name)), { recursive: true });
      await writeFile(join(context, name), instead[name] ?? text);
      return [name, { kind: "file", fingerprint: `0 ${createHash("sha256").update(text).digest("base64")}` }];
    }),
  );
  const rules = [{ src: "src", dest: place.root, ignore: [], then }];
  const map = compileSync({ rules, rebuild: [] });
  return makeTree({ revision: JSON.stringify(files), context, rules, notes: [], map }, entries);
}

const count = (path: string): Promise<number> =>
  readFile(path, "utf8").then(
    (text) => text.length,
    () => 0,
  );

describe.runIf(process.platform === "linux")("bringing a container up to date", () => {
  /** Leaves a character for each time that it ran. */
  const command = (): SyncAction => ({
    kind: "exec",
    command: ["sh", "-c", `printf x >> ${context}/ran`],
    when: [],
  });

  it("does what follows from files whose answer was lost: they stand there, and nothing is to be written", async () => {
    await bring({ "src/a": "1" }, command());
    expect(await count(join(context, "ran"))).toBe(1);
    through = (agent) => {
      through = (same) => same;
      return {
        ...agent,
        apply: async (...args) => {
          await agent.apply(...args);
          lost();
          throw new Error("the connection was lost");
        },
      };
    };
    expect(await bring({ "src/a": "2" }, command())).toMatchObject({
      kind: "done",
      container: { commands: 1 },
    });
    expect(await readFile(join(place.root, "a"), "utf8")).toBe("2");
    expect(await count(join(context, "ran"))).toBe(2);
  });

  it("sends again what was read in the middle of a save that changes nothing", async () => {
    through = (agent) => ({
      ...agent,
      // The save ends once its first half has been sent.
      apply: async (...args) => {
        const results = await agent.apply(...args);
        await writeFile(join(context, "src/a"), "whole");
        return results;
      },
    });
    const { kind } = await bring({ "src/a": "whole" }, { kind: "nothing" }, { instead: { "src/a": "" } });
    expect([kind, await readFile(join(place.root, "a"), "utf8")]).toEqual(["done", "whole"]);
  });

  it("takes what was below a directory for gone where the container has a link in its place, and follows no link", async () => {
    await mkdir(join(context, "outside"));
    await writeFile(join(context, "outside/b"), "not ours");
    await symlink(join(context, "outside"), join(place.root, "d"));
    const former = ["src/d", "src/d/b"];
    expect(await bring({ "src/a": "1" }, { kind: "nothing" }, { former })).toMatchObject({
      kind: "done",
      container: { written: 1, removed: 1 },
    });
    await bring({ "src/a": "1", "src/e/b": "ours" }, { kind: "nothing" });
    await rm(join(place.root, "e"), { recursive: true });
    await symlink(join(context, "outside"), join(place.root, "e"));
    expect(await bring({ "src/a": "1" }, { kind: "nothing" }, { former: ["src/e/b"] })).toMatchObject({
      kind: "done",
    });
    expect(await readFile(join(context, "outside/b"), "utf8")).toBe("not ours");
  });

  it("runs a command again whose end was not heard of, and one that failed until it does well", async () => {
    through = (agent) => {
      through = (same) => same;
      return {
        ...agent,
        exec: () => {
          lost();
          return Promise.reject(new Error("the connection was lost"));
        },
      };
    };
    expect(await bring({ "src/a": "1" }, command())).toMatchObject({
      kind: "done",
      container: { commands: 1 },
    });
    expect(await count(join(context, "ran"))).toBe(1);
    const failing: SyncAction = { kind: "exec", command: ["false"], when: [] };
    await expect(bring({ "src/a": "2" }, failing)).rejects.toMatchObject({ code: "SYNC_FAILED" });
    await expect(bring({ "src/a": "2" }, failing)).rejects.toMatchObject({ code: "SYNC_FAILED" });
    expect(await bring({ "src/a": "2" }, command())).toMatchObject({ container: { commands: 1 } });
    expect(await bring({ "src/a": "2" }, command())).toMatchObject({ container: { commands: 0 } });
  });

  it("ends a command that does not end by itself for a newer change, and runs it again for that", async () => {
    const script = `echo x >> ${place.root}/runs; test -e ${place.root}/go || exec sleep 1000`;
    const then: SyncAction = { kind: "exec", command: ["sh", "-c", script], when: [] };
    let tree = await write({ "src/a": "a" }, then);
    const notes: string[] = [];
    // Only the clock that watches the command: the files and the agent are real.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    try {
      const brought = sync.bring(
        requestOf(() => tree),
        container,
        { ...quiet, onNote: (message) => notes.push(message) },
      );
      while ((await count(join(place.root, "runs"))) === 0);
      await vi.advanceTimersByTimeAsync(11_000);
      expect(notes).toEqual([expect.stringMatching(/^web: sh -c .* has been running for 10 s in web-1/)]);
      tree = await write({ "src/a": "a", "src/go": "go" }, then);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await brought).toMatchObject({ kind: "done", container: { commands: 1 } });
      expect(await count(join(place.root, "runs"))).toBe(4);
    } finally {
      vi.useRealTimers();
    }
  });

  it("brings a tree of more files than are sent together", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 1_201 }, (_, at) => [`src/d${at % 7}/${at}`, `${at}`]),
    );
    expect(await bring(files, command())).toMatchObject({
      kind: "done",
      container: { written: 1_201, removed: 0, commands: 1 },
    });
    expect(await readFile(join(place.root, "d3/1200"), "utf8")).toBe("1200");
  });
});
