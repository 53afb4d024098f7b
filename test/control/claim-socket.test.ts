import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimSocket } from "../../src/control/claim-socket.js";
import { controlClient } from "../../src/control/client.js";
import { DevloopError } from "../../src/lib/errors.js";

let root: string;
let servers: Server[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "dl-"));
});
afterEach(async () => {
  for (const server of servers) server.close();
  servers = [];
  await rm(root, { recursive: true, force: true });
});

/** A loop that says its name to whoever asks. */
function loop(name: string): Server {
  const server = createServer((_request, response) => response.end(JSON.stringify({ name })));
  servers.push(server);
  return server;
}

async function look(path: string) {
  try {
    const { name } = (await controlClient(path).get("/v1/loop")) as { name: string };
    return { kind: "answers", loop: name } as const;
  } catch (error) {
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING")
      return { kind: "nobody" } as const;
    throw error;
  }
}

describe("the socket of a loop", () => {
  it("is claimed where nobody has it, for its user alone", async () => {
    const path = join(root, "a.sock");
    expect(await claimSocket(loop("one"), path, look)).toBeUndefined();
    expect(await look(path)).toEqual({ kind: "answers", loop: "one" });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("stays with the loop that answers on it", async () => {
    const path = join(root, "a.sock");
    await claimSocket(loop("one"), path, look);
    expect(await claimSocket(loop("two"), path, look)).toBe("one");
    expect(await look(path)).toEqual({ kind: "answers", loop: "one" });
  });

  it("is taken over when its process was killed, with the lock that it held", async () => {
    const path = join(root, "a.sock");
    const dead = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`,
    ]);
    await once(dead.stdout, "data");
    await writeFile(`${path}.lock`, String(dead.pid));
    dead.kill("SIGKILL");
    await once(dead, "exit");
    expect((await stat(path)).isSocket()).toBe(true);
    expect(await claimSocket(loop("one"), path, look)).toBeUndefined();
    expect(await look(path)).toEqual({ kind: "answers", loop: "one" });
  });

  it("is taken over from a lock that does not say whose it is", async () => {
    const path = join(root, "a.sock");
    await writeFile(`${path}.lock`, "");
    expect(await claimSocket(loop("one"), path, look)).toBeUndefined();
    expect(await readdir(root)).toEqual(["a.sock"]);
  });

  it("is one loop's when several start at once, over one that is dead", async () => {
    const path = join(root, "a.sock");
    await writeFile(path, "");
    await writeFile(`${path}.lock`, "999999999");
    const names = Array.from({ length: 8 }, (_, index) => `loop-${index}`);
    const outcomes = await Promise.all(names.map((name) => claimSocket(loop(name), path, look)));
    const winners = names.filter((_, index) => outcomes[index] === undefined);
    expect(winners).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome !== undefined)).toEqual(Array(7).fill(winners[0]));
  });
});
