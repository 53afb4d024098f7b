import { once, setMaxListeners } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Connected,
  connect,
  ending,
  inheritance,
  makePlace,
  type Place,
  start,
  textOf,
  until,
} from "./agent-rig.js";

const signal = new AbortController().signal;
let place: Place;
let connected: Connected;
beforeEach(async () => {
  place = await makePlace();
  connected = await connect(place, { cwd: place.root });
});
afterEach(async () => {
  await connected[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

interface Run {
  readonly code: number;
  readonly output: string;
}

async function run(
  command: readonly string[],
  settings: { workdir?: string; signal?: AbortSignal } = {},
): Promise<Run> {
  const chunks: Uint8Array[] = [];
  const onOutput = (bytes: Uint8Array): unknown => chunks.push(bytes);
  const code = await connected.agent.exec(command, { signal, ...settings, onOutput });
  return { code, output: Buffer.concat(chunks).toString() };
}

/** Processes that have died may still be there for a moment, as zombies. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

describe.runIf(process.platform === "linux")("a command run by the agent", () => {
  it("gives its output and its exit code", async () => {
    expect(await run(["sh", "-c", "echo out; echo err >&2; exit 7"])).toEqual({
      code: 7,
      output: "out\nerr\n",
    });
    expect(await run(["sh", "-c", "kill -9 $$"])).toEqual({ code: 137, output: "" });
    expect(await run(["true"])).toEqual({ code: 0, output: "" });
  });

  it("runs where it is told to, or where the agent does, with the environment and nothing to read", async () => {
    await mkdir(join(place.root, "sub"));
    expect((await run(["pwd"])).output.trim()).toBe(place.root);
    expect((await run(["pwd"], { workdir: join(place.root, "sub") })).output.trim()).toBe(
      join(place.root, "sub"),
    );
    expect((await run(["sh", "-c", 'echo "$PATH"; cat'])).output.trim()).toBe(process.env["PATH"]);
    expect(await run(["pwd"], { workdir: "/no/such" })).toEqual({
      code: 126,
      output: "devloop: cannot change to /no/such: No such file or directory\n",
    });
  });

  it("inherits neither the agent's files nor its signals or mask", async () => {
    for (const command of inheritance) {
      // Started without the agent: what this test's own parents let through comes to both.
      expect((await run(command)).output).toBe(await textOf(start(command).stdout));
    }
  });

  it("that does not exist or does not run says so, as a container runtime would", async () => {
    expect(await run(["no-such"])).toEqual({
      code: 127,
      output: 'devloop: cannot start "no-such": executable file not found in $PATH\n',
    });
    expect(await run(["/no/such"])).toEqual({
      code: 127,
      output: 'devloop: cannot start "/no/such": No such file or directory\n',
    });
    await writeFile(join(place.root, "text"), "text");
    expect(await run(["./text"])).toMatchObject({
      code: 126,
      output: 'devloop: cannot start "./text": Permission denied\n',
    });
    expect(await run([])).toMatchObject({ code: 126 });
    expect(await run(["echo", "a\0b"])).toMatchObject({ code: 126 });
  });

  it("gives all of a large output, while other requests are answered", async () => {
    const large = run(["sh", "-c", "head -c 20000000 /dev/zero"]);
    const asleep = run(["sh", "-c", "sleep 0.3; echo awake"]);
    await connected.agent.ping({ signal });
    expect(await connected.agent.query(place.root, ["x"], { signal })).toEqual([{ kind: "missing" }]);
    expect((await large).output).toHaveLength(20_000_000);
    expect((await asleep).output).toBe("awake\n");
  });

  it("is over when it has ended, though a child of its own holds its output", async () => {
    const { code, output } = await run(["sh", "-c", "sleep 30 & echo $!"]);
    expect(code).toBe(0);
    process.kill(Number(output));
  });

  it("is killed with its children when the call is aborted, and the channel goes on", async () => {
    const controller = new AbortController();
    let output = "";
    const ran = connected.agent.exec(["sh", "-c", "sleep 60 & echo $!; wait"], {
      signal: controller.signal,
      onOutput: (bytes) => {
        output += Buffer.from(bytes).toString();
      },
    });
    await until(() => output.includes("\n"));
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    await expect(ran).rejects.toBe(reason);
    await until(async () => !(await isAlive(Number(output))));
    await connected.agent.ping({ signal });
  });

  it("is killed when the client is gone", async () => {
    let output = "";
    const onOutput = (bytes: Uint8Array): void => {
      output += Buffer.from(bytes).toString();
    };
    const ran = connected.agent.exec(["sh", "-c", "echo $$; exec sleep 60"], { signal, onOutput });
    await until(() => output.includes("\n"));
    connected.agent[Symbol.dispose]();
    await expect(ran).rejects.toThrow("the channel to the agent was closed");
    await ending(connected.child);
    await until(async () => !(await isAlive(Number(output))));
  });

  it("is one of sixteen at most", async () => {
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const sleeps = Array.from({ length: 16 }, () =>
      run(["sleep", "60"], { signal: controller.signal }).catch(() => undefined),
    );
    expect(await run(["true"])).toEqual({ code: 126, output: "devloop: too many commands run at once\n" });
    controller.abort();
    await Promise.all(sleeps);
    await until(async () => (await run(["true"])).code === 0);
  });
});

describe.runIf(process.platform === "linux")("an agent whose client does not read", () => {
  it("ends when its input does", async () => {
    const { child, agent } = connected;
    child.stdout.pause();
    agent
      .exec(["sh", "-c", "exec cat /dev/zero"], { signal, onOutput: () => child.stdout.pause() })
      .catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.stdin.end();
    child.stdout.destroy();
    if (child.exitCode === null) await once(child, "exit");
    expect(child.exitCode).toBe(0);
  });
});
