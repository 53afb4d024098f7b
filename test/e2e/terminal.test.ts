import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PublicState } from "../../src/control/protocol.js";
import { anyCluster, someTargets, type TestCluster } from "./clusters.js";
import { page, runToEnd, until } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";
import { openTerminal, type Terminal } from "./tmux.js";

// In tmux: a terminal of which the test can ask what stands on it.
describe.each(someTargets)("the screen in a terminal, on %s", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  let terminal: Terminal;

  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "terminal");
    terminal = await openTerminal(project.root, { KUBECONFIG: cluster.kubeconfig });
  });
  afterAll(async () => {
    // A loop outlives its terminal: one that a failed test left would go on.
    await runToEnd({ cluster, cwd: project.root, args: ["stop"] });
    await terminal[Symbol.asyncDispose]();
    await project[Symbol.asyncDispose]();
  });

  it("shows both workloads ready, with their URLs", async () => {
    await terminal.type("node $CLI up\n");
    const { web, api } = project.ports;
    await terminal.see(
      (text) => isReady(text) && [web, api].every((port) => text.includes(`http://localhost:${port}`)),
    );
    for (const [name, port] of Object.entries({ web, api }))
      expect(await page(port)).toBe(`${name} version 1\n`);
  });

  it("rebuilds on r, and shows its keys on ?", async () => {
    const scrolled = await terminal.scrolled();
    /** Which round of work was the last that ended well. Of what is built from cache the screen may show no more than the end. */
    const round = async (): Promise<number> => {
      const { stdout } = await runToEnd({ cluster, cwd: project.root, args: ["status", "--json"] });
      const { loop } = JSON.parse(stdout) as { loop: PublicState };
      return (loop.phase === "ready" && loop.rounds?.number) || 0;
    };
    const before = await until(async () => (await round()) || undefined, "the loop to rest");
    await terminal.type("r");
    await until(async () => (await round()) > before, "another round");
    await terminal.see(isReady);
    await terminal.type("?");
    await terminal.see((text) => text.includes("rebuild everything"));
    await terminal.type("?");
    await terminal.see((text) => !text.includes("rebuild everything"));
    // Frames are drawn over each other: none is left above.
    expect(await terminal.scrolled()).toBe(scrolled);
  });

  it("takes the terminal's other buffer, and follows its size through a storm of changes", async () => {
    expect(await terminal.alternate()).toBe(true);
    for (const [columns, rows] of [
      [80, 24],
      [200, 60],
      [61, 17],
      [140, 12],
      [90, 9],
      [100, 30],
    ] as const)
      await terminal.resize(columns, rows);
    // What stands there in between may be half of one size and half of the next.
    await terminal.see((text) => {
      const lines = text.trimEnd().split("\n");
      const heads = lines.filter((line) => line.startsWith("devloop"));
      const feet = lines.filter((line) => line.endsWith("q quit"));
      return isReady(text) && lines.length === 30 && heads.length === 1 && feet.length === 1;
    });
  });

  it("is stopped by ctrl-z as any program, and goes on with fg", async () => {
    await terminal.press("C-z");
    await until(async () => !(await terminal.alternate()), "the shell's own screen");
    await terminal.see((text) => /Stopped|suspended/i.test(text));
    await terminal.type("fg\n");
    await terminal.see(isReady);
    expect(await terminal.alternate()).toBe(true);
    await terminal.type("?");
    await terminal.see((text) => text.includes("rebuild everything"));
    await terminal.type("?");
    await terminal.see((text) => !text.includes("rebuild everything") && isReady(text));
  });

  it("gives the terminal back on q, says what keeps running, and exits with 0", async () => {
    await terminal.type("q");
    await terminal.see((text) =>
      /(web, api|api, web) keep running (in the cluster|on the container engine); devloop down removes/.test(
        text,
      ),
    );
    expect(await terminal.state()).toEqual({ exitCode: 0, ...sane });
  });

  it("exits with 130 on ctrl-c, and leaves the terminal as well", async () => {
    await terminal.type("clear; node $CLI up\n");
    await terminal.see(isReady);
    await terminal.press("C-c");
    await terminal.see((text) => text.includes("keep running"));
    expect(await terminal.state()).toEqual({ exitCode: 130, ...sane });
  });

  it.each([
    ["SIGTERM", "-TERM", 130],
    ["an error that nothing catches", "-USR2", 1],
  ])("leaves the terminal as well on %s", async (_, signal, exitCode) => {
    await project.write("crash.mjs", crashing);
    await terminal.type("clear; NODE_OPTIONS='--import ./crash.mjs' node $CLI up\n");
    await terminal.see(isReady);
    expect(await terminal.alternate()).toBe(true);
    process.kill(Number(await project.read("pid")), `SIG${signal.slice(1)}` as NodeJS.Signals);
    await until(async () => !(await terminal.alternate()), "the shell's own screen");
    // What the end says comes before the shell's prompt.
    await terminal.see((text) => /(keep running|on purpose)[^]*[$#]/.test(text));
    expect(await terminal.state()).toEqual({ exitCode, ...sane });
  });

  it("leaves the terminal as well at SIGHUP, while the loop goes on without a screen", async () => {
    await terminal.type("clear; NODE_OPTIONS='--import ./crash.mjs' node $CLI up\n");
    await terminal.see(isReady);
    process.kill(Number(await project.read("pid")), "SIGHUP");
    await until(async () => !(await terminal.alternate()), "the shell's own screen");
    const status = () => runToEnd({ cluster, cwd: project.root, args: ["status"] });
    await until(async () => (await status()).stdout.includes("ready in"), "the loop to be ready");
    expect((await runToEnd({ cluster, cwd: project.root, args: ["stop"] })).code).toBe(0);
    expect(await terminal.state()).toEqual({ exitCode: 0, ...sane });
  });

  it("scrolls in the terminal's own buffer with --inline, and leaves its lines there", async () => {
    await terminal.type("clear; node $CLI up --inline\n");
    await terminal.see(
      (text) =>
        /started web[^]*● ready in [^]*q quit/.test(text) &&
        /devloop +ready in[^]*\n─{50,}\ndevloop e2e-terminal/.test(text),
    );
    expect(await terminal.alternate()).toBe(false);
    await terminal.resize(60, 12);
    await terminal.see((text) => /^─{59}\ndevloop .*\nr rebuild all .*q quit\n*$/m.test(text));
    await terminal.resize(90, 24);
    await terminal.type("p");
    await terminal.see((text) =>
      /^─{89}\ndevloop .*○ paused.*\nr rebuild all .*p go on .*q quit\n*$/m.test(text),
    );
    await terminal.type("p");
    await terminal.see((text) => text.includes("p pause"));
    await terminal.type("q");
    await terminal.see((text) => text.includes("keep running") && !text.includes("q quit"));
    expect(await terminal.state()).toEqual({ exitCode: 0, ...sane });
  });
});

// Where the containers run has no part in it.
describe("the screen where it is a terminal's only program", () => {
  it.each(["", " --inline"])("goes on after ctrl-z, which nobody could bring back: up%s", async (flag) => {
    const cluster = anyCluster();
    await using project = await scratchProject(cluster, "orphan");
    await using terminal = await openTerminal(project.root, { KUBECONFIG: cluster.kubeconfig });
    // In the shell's place: there is no job control left.
    await terminal.type(`exec node $CLI up${flag}\n`);
    await terminal.see((text) => /ready in/.test(text) && text.includes("q quit"));
    await terminal.press("C-z");
    await terminal.type("p");
    await terminal.see((text) => text.includes("paused"));
    expect((await runToEnd({ cluster, cwd: project.root, args: ["stop"] })).code).toBe(0);
  });
});

/** Tells who it is, and fails when it is asked to. */
const crashing = `import { writeFileSync } from "node:fs";
writeFileSync("pid", String(process.pid));
process.on("SIGUSR2", () => { throw new Error("on purpose"); });
`;

/** How a shell expects its terminal. */
const sane = { echo: true, lines: true, cursor: true, alternate: false };

function isReady(screen: string): boolean {
  return ["web", "api"].every((name) => new RegExp(`${name} .*ready .*1/1`).test(screen));
}
