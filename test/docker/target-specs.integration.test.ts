import { afterAll, describe, expect, it } from "vitest";
import type { Target } from "../../src/engine/target.js";
import { type Both, type ContainerStatus, follow, never, openBoth, type Status } from "./both-targets.js";
import { type PodCase, specObjects } from "./target-specs.js";

// The same pods, by the same interface, in a cluster and without one: what they do is compared.

const namespace = `specs-${Math.random().toString(36).slice(2, 7)}`;

const isThere: Readonly<Record<PodCase["until"], (status: Status) => boolean>> = {
  ended: ({ phase }) => phase === "Succeeded" || phase === "Failed",
  ready: ({ conditions = [] }) =>
    conditions.some(({ type, status }) => type === "Ready" && status === "True"),
  restarted: ({ containerStatuses = [] }) => containerStatuses.some(({ restartCount }) => restartCount > 0),
  waiting: ({ containerStatuses = [] }) =>
    containerStatuses.some(({ state }) => (state?.waiting?.reason ?? "").endsWith("Error")),
};

const containersOf = ({ initContainerStatuses = [], containerStatuses = [] }: Status) => [
  ...initContainerStatuses,
  ...containerStatuses,
];

/** A container among others is looked at once it has ended, whatever the others do. */
function isSoFar({ until, container }: PodCase, status: Status): boolean {
  if (container === undefined) return isThere[until](status);
  return containersOf(status).some(
    ({ name, state }) => name === container && state?.terminated !== undefined,
  );
}

/** Why a container is as it is; undefined where that is chance. */
function reasonOf(until: PodCase["until"], { state }: ContainerStatus): string | undefined {
  if (until === "restarted") return undefined;
  return until === "waiting" ? state?.waiting?.reason : state?.terminated?.reason;
}

/** What there is to see of a pod, without what is the platform's own. */
async function observed(target: Target, { until, pod, container }: PodCase, status: Status) {
  const statuses = containersOf(status).filter(({ name }) => container === undefined || name === container);
  const containers = await Promise.all(
    statuses.map(async (each) => {
      const run = each.containerID ?? each.state?.terminated?.containerID;
      const log =
        run !== undefined && until === "ended"
          ? await target.openLog(
              { namespace, pod, container: each.name, run },
              { previous: false, follow: false, signal: never },
            )
          : undefined;
      let text = "";
      for await (const chunk of log ?? []) text += String(chunk);
      return {
        name: each.name,
        // A container that is started again and again runs and is ready in between, or not.
        ready: until === "restarted" ? "either" : each.ready,
        restarts: until === "restarted" ? "some" : each.restartCount,
        exit: until === "restarted" ? undefined : each.state?.terminated?.exitCode,
        reason: reasonOf(until, each),
        // Which of two outputs comes first is chance.
        lines: text
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => line.replace(/^\S+ /, ""))
          .sort(),
      };
    }),
  );
  return { phase: until === "restarted" || container !== undefined ? "any" : status.phase, containers };
}

const both = await openBoth(namespace);
const { objects, cases } = specObjects(namespace);

describe.skipIf(!both)("a pod on the docker target is as in a cluster:", () => {
  const { targets, apply, leave } = both ?? ({ targets: [] } as unknown as Both);
  const followed = targets.map((target) => follow(target, namespace));
  let applied: Promise<void> | undefined;

  afterAll(async () => {
    for (const each of followed) await each[Symbol.asyncDispose]();
    await leave();
  }, 300_000);

  it.each(cases.map((each) => [each.what, each] as const))(
    "%s",
    async (_what, each) => {
      await (applied ??= apply(objects));
      const [there, here] = await Promise.all(
        targets.map(async (target, index) => {
          const status = await followed[index]!.until(each.pod, (now) => isSoFar(each, now));
          return observed(target, each, status);
        }),
      );
      expect(here).toEqual(there);
      if (each.until !== "ended") return;
      const own = here?.containers.find(({ name }) => name === (each.container ?? "main"));
      expect(own?.exit).toBe(each.exit === "never starts" ? undefined : each.exit);
    },
    600_000,
  );
});
