import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testEngines } from "./engines.js";
import { because, leftOut, type Loading, startLoading } from "./loading.js";
import { attributesStage, change, lister, type Step } from "./random-build.js";
import { signal } from "./rig.js";
import { giveBase } from "./scratch-images.js";

/** How many builds; by hand DEVLOOP_TEST_BUILDS=200. */
const builds = Number(process.env["DEVLOOP_TEST_BUILDS"] ?? "6");
const seed = Number(process.env["DEVLOOP_TEST_SEED"] ?? Date.now() % 1_000_000_000);

describe.skipIf(leftOut).each([...testEngines])(
  `random builds, loaded from $title${because}`,
  (testEngine) => {
    const name = `devloop-random-${process.pid}`;
    let loading: Loading;

    beforeAll(async () => {
      loading = await startLoading(testEngine, { count: 2 });
      await giveBase(loading.source, "debian:bookworm-slim");
    });
    afterAll(() => loading[Symbol.asyncDispose]());

    const dockerfile = (steps: readonly Step[]): readonly string[] => [
      ...(steps.some((step) => step.includes("--from=attributes")) ? attributesStage : []),
      "FROM busybox:1",
      // Runtimes make this directory where it is not.
      "RUN mkdir -p /etc && echo > /etc/there",
      ...steps,
    ];
    const inEngine = async (ref: string): Promise<string> =>
      await loading.images.docker("run", "--rm", "--network=none", "--workdir=/", ref, "sh", "-c", lister);

    it(
      `are in the nodes what they are in the engine (${builds} builds, seed ${seed})`,
      { timeout: builds * 120_000 },
      async () => {
        const ways = { delta: 0, whole: 0, present: 0 };
        let steps: readonly Step[] = ["RUN seq 1 300000 > /numbers"];
        for (const [index, next] of fc.sample(change, { numRuns: builds, seed }).entries()) {
          steps = next(steps).slice(-20);
          const image = await loading.images.build(`${name}:${index}`, dockerfile(steps));
          const { notes, messages } = await loading.load(image);
          expect(notes).toEqual([]);
          const [first = "present"] = messages;
          ways[/new layer/.test(first) ? "delta" : first === "present" ? "present" : "whole"] += 1;
          await loading.expectIn(image);
          const expected = await inEngine(image.ref);
          expect(expected).toContain("/bin/busybox");
          const found = await Promise.all(
            loading.nodes.map((node) =>
              loading.rig.ctr(
                node,
                "run",
                "--rm",
                "--cwd",
                "/",
                `docker.io/library/${image.ref}`,
                `run-${index}`,
                "sh",
                "-c",
                lister,
              ),
            ),
          );
          for (const listing of found) expect(listing, dockerfile(steps).join("\n")).toBe(expected);
          await loading.images.removeBut(8);
        }
        expect(ways.delta + ways.whole + ways.present).toBe(builds);
        if (process.env["DEVLOOP_TEST_BUILDS"] !== undefined)
          process.stdout.write(`${JSON.stringify(ways)}\n`);
      },
    );

    it("keep extended attributes", async () => {
      const base = await loading.images.build(`${name}:base`, ["FROM busybox:1", "RUN echo base > /base"]);
      await loading.load(base);
      await loading.learned(base);
      const steps = ["RUN echo base > /base", "COPY --from=attributes /attributes /capable"];
      const image = await loading.images.build(`${name}:attributes`, dockerfile(steps));
      const { notes, messages } = await loading.load(image);
      expect(notes).toEqual([]);
      expect(messages[0]).toMatch(/^sending (\d )?new layer/);
      const ref = `docker.io/library/${image.ref}`;
      const script = String.raw`mkdir -p /tmp/at && ctr -n k8s.io images mount "$1" /tmp/at >&2 && case $(uname -m) in x86_64) n=192 ;; *) n=9 ;; esac
perl -e 'my ($n, $path, $name) = @ARGV; my $value = "\0" x 100; my $size = syscall($n + 0, $path, $name, $value, 100); print unpack("H*", substr($value, 0, $size))' $n /tmp/at/capable/file security.capability
ctr -n k8s.io images unmount --rm /tmp/at >&2`;
      for (const { name: node } of loading.nodes) {
        const read = await loading.engine.exec(node, ["sh", "-c", script, "sh", ref], { signal });
        expect(read.stdout, read.stderr).toBe("0100000200040000000000000000000000000000");
      }
    });
  },
);
