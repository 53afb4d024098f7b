import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { someTargets, type TestCluster } from "./clusters.js";
import { start, until, type EventOf, type Running } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";

type Line = EventOf<"log.line">;
const lineCount = 100_000;

describe.each(someTargets)("log lines on %s", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  let devloop: Running;

  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "logs");
    await project.edit("web/start.sh", "echo started web\n", printer);
    await project.write("api/start.sh", crashing);
    devloop = start({ cluster, cwd: project.root });
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  it("come all and in order, 100,000 in some 20 s, while memory stays flat", async () => {
    const first = await devloop.waitFor("log.line", ({ text }) => text.startsWith("number "));
    const numbers = (): Line[] =>
      devloop.events.filter(
        (event): event is Line => event.type === "log.line" && event.text.startsWith("number "),
      );
    await devloop.waitFor("log.line", ({ text }) => text === "number 20000");
    const early = await residentMemory(devloop);
    const samples: number[] = [];
    // By lines, not by time: on a busy machine they may come late and then all at once.
    for (let line = 21_000; line <= lineCount; line += 1000) {
      await devloop.waitFor("log.line", ({ text }) => text === `number ${line}`);
      samples.push(await residentMemory(devloop));
    }
    // What might come twice would come right behind.
    await devloop.waitFor("log.line", ({ text }) => text === "numbers end");

    const texts = numbers().map(({ text }) => text);
    expect(texts.length).toBe(lineCount);
    expect(texts.findIndex((text, index) => text !== `number ${index + 1}`)).toBe(-1);
    expect(new Set(numbers().map(({ pod, container }) => `${pod} ${container}`))).toEqual(
      new Set([`${first.pod} web`]),
    );
    const growth = Math.max(...samples) - early;
    process.stdout.write(`${lineCount} lines: ${growth.toFixed(0)} MiB more at most\n`);
    // Without a cluster the engine's frames are garbage of this process too, which comes and goes in larger waves.
    expect(growth).toBeLessThan(cluster.flavour === "docker" ? 100 : 40);
  });

  it("come from every run of a container that crashes, each line once and in order", async () => {
    // It prints its lines and is gone at once: nobody can follow it that fast.
    await until(() => Promise.resolve(runs().length >= 3), "three runs");
    const [one, two] = runs();
    // A run's last lines may come after the next one's first.
    const whole = (id: string | undefined): boolean => linesOf(id!).length >= 200;
    await until(() => Promise.resolve(whole(one) && whole(two)), "all lines of two runs");
    for (const id of [one!, two!]) {
      const lines = linesOf(id).map(({ text }) => text);
      expect(lines).toEqual(Array.from({ length: 200 }, (_, index) => `run ${id} ${index + 1}`));
    }
    // The cause is told at once, and again when the lines are there.
    const failed = await devloop.waitFor(
      "workload.changed",
      ({ health: { cause } }) =>
        cause?.reason === "CrashLoop" && /^run \S+ 200$/.test(cause.lines.at(-1) ?? ""),
    );
    expect(failed).toMatchObject({ id: expect.stringMatching(/\/api$/), health: { status: "failed" } });
  });

  it("go on with the new pod's over a rollout", async () => {
    const since = devloop.mark();
    await project.write("api/start.sh", serving);
    await devloop.ready({ since });
    const line = await devloop.waitFor("log.line", ({ text }) => text === "serving now", { since });
    const old = devloop.events.find((event) => event.type === "log.line" && event.text.startsWith("run "));
    expect(line.workload).toBe((old as Line).workload);
    expect(line.pod).not.toBe((old as Line).pod);
    // The other one was left alone: it printed nothing anew.
    expect(devloop.count("log.line", ({ workload }: Line) => workload.endsWith("/web"), since)).toBe(0);
  });

  function runs(): string[] {
    const ids = devloop.events.flatMap((event) =>
      event.type === "log.line" ? (/^run (\S+) \d+$/.exec(event.text)?.[1] ?? []) : [],
    );
    return [...new Set(ids)];
  }

  function linesOf(id: string): Line[] {
    return devloop.events.filter(
      (event): event is Line => event.type === "log.line" && event.text.startsWith(`run ${id} `),
    );
  }
});

/** 500 lines every tenth of a second, beside the server. */
const printer = `awk 'BEGIN {
  for (i = 1; i <= ${lineCount}; i++) {
    print "number " i
    if (i % 500 == 0) { fflush(); system("sleep 0.09") }
  }
  print "numbers end"
}' &
`;

const crashing = `id=$(cat /proc/sys/kernel/random/uuid)
awk -v id=$id 'BEGIN { for (i = 1; i <= 200; i++) print "run " id " " i }'
exit 3
`;

const serving = `echo serving now
httpd -f -p 8080 -h /www &
trap 'kill $!; exit 0' TERM
wait
`;

/** MiB of memory that a process holds. */
async function residentMemory({ child }: Running): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
