import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type AgentProcess,
  type Connected,
  connect,
  ending,
  inheritance,
  isRoot,
  makePlace,
  type Place,
  plainUser,
  start,
  textOf,
  until,
} from "./agent-rig.js";

const signal = new AbortController().signal;
let place: Place;
const started: AgentProcess[] = [];
const groups: number[] = [];
beforeEach(async () => {
  place = await makePlace();
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await ending(child);
  }
  for (const group of groups.splice(0)) {
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // It has ended with its supervisor.
    }
  }
  await place[Symbol.asyncDispose]();
});

/** A supervised process, in a mount namespace of its own as a container's is (which takes root; without it they come one by one). */
interface Supervised {
  readonly child: AgentProcess;
  readonly output: () => string;
  readonly errors: () => string;
  /** An agent in the same container, of the same user or another; one of the same has found the supervisor. */
  readonly connect: (settings?: { readonly uid?: number }) => Promise<Connected>;
}

function supervise(command: readonly string[], flags: readonly string[] = [], uid?: number): Supervised {
  const user = uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  const before = [...(isRoot ? ["unshare", "--mount"] : []), ...user];
  const child = start([...before, place.agent, "run", ...flags, "--", ...command], { cwd: place.root });
  started.push(child);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return {
    child,
    output: () => output,
    errors: () => errors,
    async connect(settings = {}) {
      const enter = isRoot ? ["nsenter", `--mount=/proc/${child.pid!}/ns/mnt`] : [];
      const id = settings.uid ?? uid;
      const as = id === undefined ? [] : ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"];
      let connected = await connect(place, { before: [...enter, ...as] });
      while (settings.uid === undefined && !connected.agent.hello.supervised) {
        // It has only just been started.
        await connected[Symbol.asyncDispose]();
        connected = await connect(place, { before: [...enter, ...as] });
      }
      const pid = connected.agent.process()?.pid ?? 0;
      if (pid > 0) groups.push(pid);
      return connected;
    },
  };
}

/** What a process has printed may come after the news of its end: other pipes carry it. */
const patiently = { interval: 5 };
const shell = (script: string): readonly string[] => ["sh", "-c", script];
/** A script that takes the signal that ends it, and ends once a file is there. */
const endsWhenLet = (exitCode: number): string =>
  `trap "until test -e go; do sleep 0.02; done; exit ${exitCode}" TERM; echo up; while :; do sleep 0.02; done`;
const lines = (text: string): readonly string[] => text.trim().split("\n");

async function stateOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat === undefined ? undefined : /\) (\w) /.exec(stat)?.[1];
}

describe.runIf(process.platform === "linux")("a process that the agent supervises", () => {
  it("has its arguments, its output, its directory, and its exit code", async () => {
    const { child, output } = supervise(["sh", "-c", 'echo "$1" "$(pwd)"; exit 5', "sh", "two words"]);
    expect(await ending(child)).toBe(5);
    await expect.poll(output, patiently).toBe(`two words ${place.root}\n`);
  });

  it("that ends by a signal gives 128 and its number", async () => {
    expect(await ending(supervise(shell("kill -SEGV $$")).child)).toBe(139);
  });

  it("inherits no signals and no files", async () => {
    for (const command of inheritance) {
      const { child, output } = supervise(command);
      const expected = await textOf(start(command).stdout);
      expect(await ending(child)).toBe(0);
      await expect.poll(output, patiently).toBe(expected);
    }
  });

  it("that cannot be started is named, with the code that a container runtime gives", async () => {
    const missing = supervise(["no-such"]);
    expect(await ending(missing.child)).toBe(127);
    await expect
      .poll(missing.errors, patiently)
      .toBe('devloop: cannot start "no-such": executable file not found in $PATH\n');
    const path = supervise(["./no/such"]);
    expect(await ending(path.child)).toBe(127);
    await expect
      .poll(path.errors, patiently)
      .toBe('devloop: cannot start "./no/such": No such file or directory\n');
    await writeFile(join(place.root, "text"), "text");
    const text = supervise(["./text"]);
    expect(await ending(text.child)).toBe(126);
    await expect.poll(text.errors, patiently).toBe('devloop: cannot start "./text": Permission denied\n');
  });

  it("is restarted in place, with the state told at each step", async () => {
    const supervised = supervise(shell('trap "exit 3" TERM; echo started; while :; do sleep 0.02; done'));
    await until(() => supervised.output() !== "");
    await using connected = await supervised.connect();
    const { agent, states } = connected;
    expect(agent.hello.supervised).toBe(true);
    const before = agent.process()!;
    expect(before).toMatchObject({ state: "running", runs: 1 });
    expect(before).not.toHaveProperty("exitCode");
    const restarted = await agent.restart({ graceMs: 60_000, signal });
    groups.push(restarted.pid);
    expect(restarted.previousExitCode).toBe(3);
    expect(restarted.pid).not.toBe(before.pid);
    expect(restarted.startedAt).toBeGreaterThanOrEqual(before.startedAt);
    expect(Math.abs(restarted.startedAt - Date.now())).toBeLessThan(60_000);
    await until(() => states.at(-1)?.runs === 2);
    expect(states.map(({ state }) => state)).toEqual(["running", "stopping", "running"]);
    expect(agent.process()).toEqual({
      ...{ state: "running", runs: 2, exitCode: 3 },
      pid: restarted.pid,
      startedAt: restarted.startedAt,
    });
    await until(() => supervised.output() === "started\nstarted\n");
    expect(supervised.child.exitCode).toBe(null);
  });

  it("is restarted only once its whole group has ended, by SIGKILL where that takes it", async () => {
    // The child of a child ignores SIGTERM, and its parent does not wait for it.
    const supervised = supervise(
      shell("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.02; done' & echo $!; exec sleep 60"),
    );
    await until(() => lines(supervised.output()).length === 2);
    const grandchild = Number(lines(supervised.output())[0]);
    await using connected = await supervised.connect();
    const began = Date.now();
    const restarted = await connected.agent.restart({ graceMs: 1000, signal });
    groups.push(restarted.pid);
    expect(restarted.previousExitCode).toBe(143);
    expect(Date.now() - began).toBeGreaterThanOrEqual(995);
    expect(await stateOf(grandchild)).toBeUndefined();
  });

  it("is asked to end by its image's own signal, from inside and from outside", async () => {
    const script = 'trap "" TERM; trap "echo asked; exit 3" WINCH; echo up; while :; do sleep 0.02; done';
    const supervised = supervise(shell(script), ["--stop-signal", "28"]);
    await until(() => supervised.output() !== "");
    await using connected = await supervised.connect();
    const restarted = await connected.agent.restart({ graceMs: 60_000, signal });
    groups.push(restarted.pid);
    expect(restarted.previousExitCode).toBe(3);
    await until(() => lines(supervised.output()).length === 3);
    // It would be started again, were this not the container's end.
    supervised.child.kill("SIGWINCH");
    expect(await ending(supervised.child)).toBe(3);
    expect(lines(supervised.output())).toEqual(["up", "asked", "up", "asked"]);
  });

  it("that ignores SIGTERM is killed after its time of grace", async () => {
    const supervised = supervise(shell('trap "" TERM; echo up; while :; do sleep 0.02; done'));
    await until(() => supervised.output() !== "");
    await using connected = await supervised.connect();
    const restarted = await connected.agent.restart({ graceMs: 200, signal });
    groups.push(restarted.pid);
    expect(restarted.previousExitCode).toBe(137);
  });

  it("is restarted once for requests that come while it stops", async () => {
    const supervised = supervise(shell(endsWhenLet(0)));
    await until(() => supervised.output() !== "");
    await using one = await supervised.connect();
    await using other = await supervised.connect();
    const asked = [one, one, other].map(({ agent }) => agent.restart({ graceMs: 60_000, signal }));
    // What answers later has passed on what was asked before.
    for (const { agent } of [one, other]) await agent.ping({ signal });
    await writeFile(join(place.root, "go"), "");
    const answers = await Promise.all(asked);
    groups.push(answers[0]!.pid);
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(1);
    await until(() => other.states.at(-1)?.runs === 2);
  });

  it("that ends by itself after a restart keeps the container, and starts again later, or at once when asked", async () => {
    const flag = join(place.root, "crash");
    const supervised = supervise(shell("test -e crash && exit 9; echo up; exec sleep 60"));
    await using connected = await supervised.connect();
    const { agent, states } = connected;
    await until(() => supervised.output() === "up\n");
    groups.push((await agent.restart({ graceMs: 60_000, signal })).pid);
    await until(() => supervised.output() === "up\nup\n");
    await writeFile(flag, "");
    // Before it can have crashed: that it is noticed may take a while.
    const waitedFrom = Date.now();
    const crashed = await agent.restart({ graceMs: 60_000, signal });
    await until(() => agent.process()?.state === "waiting");
    expect(agent.process()).toMatchObject({ state: "waiting", pid: 0, exitCode: 9 });
    await expect
      .poll(supervised.errors, patiently)
      .toBe("devloop: the process exited with 9; it starts again in 1s, or with the next change\n");
    await until(() => agent.process()!.runs > 3);
    expect(Date.now() - waitedFrom).toBeGreaterThan(900);
    // Each time later, until it is told that something has changed.
    await until(() => supervised.errors().includes("again in 2s"));
    const again = await agent.restart({ graceMs: 60_000, signal });
    expect(again.pid).not.toBe(crashed.pid);
    await until(() => lines(supervised.errors()).length === 3);
    expect(lines(supervised.errors())[2]).toContain("again in 1s");
    await until(() => states.at(-1)?.state === "waiting");
    // Nothing runs: the kubelet's SIGTERM ends the container.
    supervised.child.kill("SIGTERM");
    expect(await ending(supervised.child)).toBe(143);
    expect(await agent.restart({ graceMs: 1, signal }).catch((error: unknown) => String(error))).toMatch(
      /not supervised|has ended/,
    );
    await agent.ping({ signal });
  });

  it("that cannot be started again is tried again, and who asked is told", async () => {
    const program = join(place.root, "program");
    await writeFile(program, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const supervised = supervise(["./program"]);
    await using connected = await supervised.connect();
    await writeFile(program, "#!/no/interpreter\n");
    const refused = connected.agent.restart({ graceMs: 60_000, signal });
    await expect(refused).rejects.toThrow('cannot start "./program": No such file or directory');
    expect(connected.agent.process()).toMatchObject({ state: "waiting", exitCode: 127 });
    await expect
      .poll(supervised.errors, patiently)
      .toContain("it is tried again in 1s, or with the next change");
    await writeFile(program, "#!/bin/sh\nexec sleep 60\n");
    const restarted = await connected.agent.restart({ graceMs: 60_000, signal });
    groups.push(restarted.pid);
    expect(restarted.previousExitCode).toBe(127);
  });

  it("takes its container with it when it ends, where that is wanted", async () => {
    const supervised = supervise(shell("test -e crash && exit 9; exec sleep 60"), ["--once"]);
    await using connected = await supervised.connect();
    await writeFile(join(place.root, "crash"), "");
    await connected.agent.restart({ graceMs: 60_000, signal }).catch(() => undefined);
    expect(await ending(supervised.child)).toBe(9);
  });

  it("gets the signals that the agent gets, also after a restart, and ends for good by the kubelet's", async () => {
    const traps = ["HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "ALRM"]
      .map((name) => `trap 'echo ${name}' ${name}`)
      .join("; ");
    const supervised = supervise(
      shell(`trap 'echo bye; exit 4' TERM; ${traps}; echo up; while :; do sleep 0.02; done`),
    );
    await until(() => supervised.output() === "up\n");
    for (const name of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM"] as const) {
      supervised.child.kill(name);
      await until(() => supervised.output().endsWith(`${name.slice(3)}\n`));
    }
    await using connected = await supervised.connect();
    await connected.agent.restart({ graceMs: 60_000, signal });
    await until(() => supervised.output().endsWith("bye\nup\n"));
    for (const name of ["SIGINT", "SIGQUIT"] as const) {
      supervised.child.kill(name);
      await until(() => supervised.output().endsWith(`${name.slice(3)}\n`));
    }
    await expect(connected.agent.restart({ graceMs: 60_000, signal })).rejects.toThrow("told to end");
    supervised.child.kill("SIGTERM");
    expect(await ending(supervised.child)).toBe(4);
    expect(supervised.errors()).not.toContain("devloop:");
  });

  it("is not started again when it is told to end while it stops", async () => {
    const supervised = supervise(shell(endsWhenLet(6)));
    await until(() => supervised.output() !== "");
    await using connected = await supervised.connect();
    const restart = connected.agent.restart({ graceMs: 60_000, signal });
    await until(() => connected.agent.process()?.state === "stopping");
    supervised.child.kill("SIGTERM");
    await writeFile(join(place.root, "go"), "");
    await expect(restart).rejects.toThrow("the process has ended");
    expect(await ending(supervised.child)).toBe(6);
    expect(supervised.output()).toBe("up\n");
  });

  it("is held until somebody says go", async () => {
    const supervised = supervise(shell("echo started; exec sleep 60"), ["--hold", "60"]);
    await using connected = await supervised.connect();
    expect(connected.agent.process()).toEqual({ state: "held", pid: 0, startedAt: 0, runs: 0 });
    await connected.agent.release({ signal });
    await until(() => connected.agent.process()?.state === "running");
    groups.push(connected.agent.process()!.pid);
    await until(() => supervised.output() === "started\n");
    await connected.agent.release({ signal });
    expect(connected.agent.process()?.runs).toBe(1);
  });

  it("is held no longer than it may be; one that is held ends by SIGTERM", async () => {
    const began = Date.now();
    const late = supervise(shell("exit 8"), ["--hold", "1"]);
    const held = supervise(shell("exit 8"), ["--hold", "60"]);
    expect(await ending(late.child)).toBe(8);
    expect(Date.now() - began).toBeGreaterThan(900);
    await expect.poll(late.errors, patiently).toBe("devloop: nobody said go in time: the process starts\n");
    held.child.kill("SIGTERM");
    expect(await ending(held.child)).toBe(143);
  });

  it("leaves no zombies, its own or those of others", async () => {
    const supervised = supervise(
      shell("sh -c 'sleep 0.05 & echo $!'; sh -c 'sleep 0.05 & echo $!'; exec sleep 60"),
    );
    await until(() => lines(supervised.output()).length === 2);
    for (const pid of lines(supervised.output()).map(Number))
      await until(async () => (await stateOf(pid)) === undefined);
    await using connected = await supervised.connect();
    expect(connected.agent.hello.supervised).toBe(true);
  });

  it("is served by the first process of a container: signals reach it, and orphans are taken in", async () => {
    if (!isRoot) return;
    const script =
      "trap 'echo bye; exit 4' TERM; sh -c 'sleep 0.05 & echo $!'; echo up; while :; do sleep 0.02; done";
    const before = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"];
    const child = start([...before, place.agent, "run", "--", ...shell(script)]);
    started.push(child);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.endsWith("up\n"));
    const [first] = (await readFile(`/proc/${child.pid!}/task/${child.pid!}/children`, "utf8")).split(" ");
    const zombies = async (): Promise<boolean> => {
      const list = await readFile(`/proc/${first!}/task/${first!}/children`, "utf8");
      const states = await Promise.all(list.trim().split(" ").map(Number).map(stateOf));
      return states.includes("Z") || states.length > 1;
    };
    await until(async () => !(await zombies()));
    process.kill(Number(first), "SIGTERM");
    expect(await ending(child)).toBe(4);
    expect(output.endsWith("bye\n")).toBe(true);
  });

  it("has the terminal", async () => {
    const command = `${place.agent} run -- sh -c 'read line; echo "got $line"'`;
    const child = start(["script", "--quiet", "--return", "--command", command, "/dev/null"]);
    started.push(child);
    child.stdin.write("typed\n");
    expect(await textOf(child.stdout)).toContain("got typed");
    expect(await ending(child)).toBe(0);
  });

  it("takes what it has left behind with it", async () => {
    const supervised = supervise(shell("sleep 60 & echo $!; exit 2"));
    expect(await ending(supervised.child)).toBe(2);
    await until(() => supervised.output() !== "");
    await until(async () => [undefined, "Z"].includes(await stateOf(Number(supervised.output()))));
  });

  it("may be restarted by its own user and by root, and by nobody else", async () => {
    if (!isRoot) return;
    const supervised = supervise(shell("exec sleep 60"), [], plainUser);
    await using mine = await supervised.connect();
    expect(mine.agent.hello.uid).toBe(plainUser);
    groups.push((await mine.agent.restart({ graceMs: 60_000, signal })).pid);
    await using root = await supervised.connect({ uid: 0 });
    expect(root.agent.hello).toMatchObject({ uid: 0, supervised: true });
    groups.push((await root.agent.restart({ graceMs: 60_000, signal })).pid);
    await using other = await supervised.connect({ uid: plainUser + 1 });
    expect(other.agent.hello.supervised).toBe(false);
    await expect(other.agent.restart({ graceMs: 1, signal })).rejects.toThrow(
      "the process is not supervised",
    );
    await other.agent.release({ signal });
  });

  it("is not found from another container", async () => {
    if (!isRoot) return;
    const one = supervise(shell("exec sleep 60"));
    const two = supervise(shell("exec sleep 61"));
    await using first = await one.connect();
    await using second = await two.connect();
    expect(first.agent.process()!.pid).not.toBe(second.agent.process()!.pid);
    await using outside = await connect(place);
    expect(outside.agent.hello.supervised).toBe(false);
  });

  it.each([
    [["run"]],
    [["run", "--"]],
    [["run", "--hold", "x", "--", "true"]],
    [["run", "true"]],
    [[]],
    [["other"]],
  ])("is not started by what is no command line: %j", async (args: readonly string[]) => {
    const child = start([place.agent, ...args]);
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    expect(await ending(child)).toBe(2);
    expect(errors).toContain("usage: agent serve");
  });
});
