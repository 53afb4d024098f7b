import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../../src/engine/kube-object.js";
import type { Target } from "../../src/engine/target.js";
import { type Both, image, never, openBoth, type Status } from "./both-targets.js";

// What controllers do with their pods, in a cluster and without one: the order of what happens is compared.

const namespace = `workloads-${Math.random().toString(36).slice(2, 7)}`;
const sh = (script: string): readonly string[] => ["sh", "-c", script];
const stay = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

const labelled = (app: string) => ({ selector: { matchLabels: { app } } });
const template = (app: string, container: object, spec: object = {}) => ({
  template: {
    metadata: { labels: { app } },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      containers: [{ name: "main", image, ...container }],
      ...spec,
    },
  },
});
const workload = (kind: string, name: string, spec: object): KubeObject => ({
  apiVersion: kind === "Job" ? "batch/v1" : "apps/v1",
  kind,
  metadata: { name },
  ...{ spec },
});

/** `version` makes another template of those that are replaced. */
const objects = (version: string): readonly KubeObject[] => [
  workload("Deployment", "recreated", {
    ...labelled("recreated"),
    strategy: { type: "Recreate" },
    ...template("recreated", { command: sh(stay), env: [{ name: "VERSION", value: version }] }),
  }),
  workload("StatefulSet", "ordered", {
    ...labelled("ordered"),
    serviceName: "ordered",
    replicas: 3,
    ...template("ordered", { command: sh(stay) }),
  }),
  workload("DaemonSet", "everywhere", {
    ...labelled("everywhere"),
    ...template("everywhere", { command: sh(stay) }),
  }),
  workload("StatefulSet", "keeper", {
    ...labelled("keeper"),
    serviceName: "keeper",
    volumeClaimTemplates: [
      {
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
      },
    ],
    ...template("keeper", {
      command: sh(
        `stat -c "$VERSION %u:%g %a" /data >> /data/versions; chown 1000:2000 /data; chmod 700 /data; touch /written; ${stay}`,
      ),
      env: [{ name: "VERSION", value: version }],
      volumeMounts: [{ name: "data", mountPath: "/data" }],
      readinessProbe: { exec: { command: ["cat", "/written"] }, periodSeconds: 1, timeoutSeconds: 5 },
    }),
  }),
  workload("Job", "thrice", {
    completions: 3,
    parallelism: 2,
    ...template("thrice", { command: sh("echo done") }, { restartPolicy: "Never" }),
  }),
  workload("Job", "hopeless", {
    backoffLimit: 0,
    ...template("hopeless", { command: sh("exit 3") }, { restartPolicy: "Never" }),
  }),
  workload("Job", "stubborn", {
    backoffLimit: 1,
    ...template("stubborn", { command: sh("exit 3") }, { restartPolicy: "OnFailure" }),
  }),
  workload("Deployment", "turning", {
    ...labelled("turning"),
    ...template("turning", {
      command: sh(`sleep 2; touch /ready; sleep 10; rm /ready; sleep 10; touch /ready; ${stay}`),
      readinessProbe: {
        exec: { command: ["cat", "/ready"] },
        periodSeconds: 1,
        timeoutSeconds: 5,
        failureThreshold: 2,
      },
    }),
  }),
];

/** What happens to the pods of an app, in order: `ordered-0 comes`, `ordered-0 is ready`. Names that are made up are left out. */
function story(target: Target) {
  const lines = new Map<string, string[]>();
  const known = new Map<string, boolean>();
  const waiting = new Set<() => void>();
  const watched = target.watch({
    onObject: (type, object) => {
      if (object.kind === "Job") {
        const { conditions = [] } = (object as { readonly status?: Status }).status ?? {};
        if (
          conditions.some(
            ({ type, status: is }) => is === "True" && (type === "Complete" || type === "Failed"),
          )
        )
          over.add(object.metadata.name);
        for (const look of [...waiting]) look();
        return;
      }
      if (object.kind !== "Pod") return;
      const app = object.metadata.labels?.["app"] ?? "";
      const uid = object.metadata.uid ?? "";
      const name = app === "ordered" ? object.metadata.name : "a pod";
      const tell = (what: string): void => {
        lines.set(app, [...(lines.get(app) ?? []), `${name} ${what}`]);
      };
      const status = (object as { readonly status?: Status }).status;
      const leaving = object.metadata.deletionTimestamp !== undefined;
      const ready =
        !leaving &&
        status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") === true;
      const before = known.get(uid);
      if (type === "DELETED") {
        known.delete(uid);
        tell("is gone");
      } else {
        if (before === undefined) tell("comes");
        known.set(uid, ready);
        if (before === true && !ready && !leaving) tell("is not ready");
        if (before !== true && ready) tell("is ready");
        if (status?.phase === "Succeeded" || status?.phase === "Failed") ended.set(uid, [app, status.phase]);
      }
      for (const look of [...waiting]) look();
    },
    onSync: () => undefined,
    onState: () => undefined,
    signal: never,
  });
  const ended = new Map<string, readonly [app: string, phase: string]>();
  const over = new Set<string>();
  watched.set([
    { kind: "Pod", namespace },
    { kind: "Job", namespace },
  ]);
  return {
    of: (app: string): readonly string[] => lines.get(app) ?? [],
    /** A Job has ended, well or not. */
    isOver: (job: string): boolean => over.has(job),
    /** The phases in which an app's pods have ended. */
    endsOf: (app: string): readonly string[] =>
      [...ended.values()].flatMap(([of, phase]) => (of === app ? [phase] : [])),
    until: (is: () => boolean, what: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`${what}: ${JSON.stringify([...lines])}`));
        }, 280_000);
        const look = (): void => {
          if (!is()) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () => watched[Symbol.asyncDispose](),
  };
}

const both = await openBoth(namespace);

describe.skipIf(!both)("a workload's pods on the docker target come and go as in a cluster:", () => {
  const { targets, apply, leave } = both ?? ({ targets: [] } as unknown as Both);
  const stories = targets.map(story);
  /** What is told of an app on both, once it has happened on both. */
  const told = async (
    app: string,
    is: (lines: readonly string[]) => boolean,
  ): Promise<readonly (readonly string[])[]> =>
    await Promise.all(
      stories.map(async (each) => {
        await each.until(() => is(each.of(app)), app);
        return each.of(app);
      }),
    );
  const count = (lines: readonly string[], what: string): number =>
    lines.filter((line) => line.endsWith(what)).length;

  beforeAll(async () => {
    await apply(objects("one"));
  });
  afterAll(async () => {
    for (const each of stories) await each[Symbol.asyncDispose]();
    await leave();
  }, 300_000);

  it("a StatefulSet's by name and in order", async () => {
    const [there, here] = await told("ordered", (lines) => count(lines, "is ready") === 3);
    expect(here).toEqual(there);
    expect(here).toEqual([0, 1, 2].flatMap((n) => [`ordered-${n} comes`, `ordered-${n} is ready`]));
  }, 500_000);

  it("a DaemonSet's on the one node", async () => {
    const [there, here] = await told("everywhere", (lines) => count(lines, "is ready") === 1);
    expect(here).toEqual(there);
  }, 500_000);

  it("a Job's until enough have ended well, or one has not", async () => {
    for (const [app, ends] of [
      ["thrice", ["Succeeded", "Succeeded", "Succeeded"]],
      ["hopeless", ["Failed"]],
    ] as const)
      for (const each of stories) {
        await each.until(() => each.isOver(app) && each.endsOf(app).length >= ends.length, app);
        expect(each.endsOf(app)).toEqual(ends);
      }
  }, 500_000);

  it("a Job's one pod that is restarted too often goes, and no other comes", async () => {
    for (const each of stories) await each.until(() => each.isOver("stubborn"), "stubborn");
    const [there, here] = await told("stubborn", (lines) => count(lines, "is gone") === 1);
    expect(count(there ?? [], "comes")).toBe(1);
    expect(count(here ?? [], "comes")).toBe(1);
  }, 500_000);

  it("a readiness probe's answers turn it", async () => {
    const [there, here] = await told("turning", (lines) => count(lines, "is ready") === 2);
    expect(here).toEqual(there);
    expect(here).toEqual(["a pod comes", "a pod is ready", "a pod is not ready", "a pod is ready"]);
  }, 500_000);

  let second: Promise<void> | undefined;
  /** What is told of an app whose pod has been replaced by one of the second version. */
  const replaced = async (app: string): Promise<readonly (readonly string[])[]> => {
    const isReady = (lines: readonly string[]): boolean => count(lines, "is ready") === 1;
    await (second ??= Promise.all(["recreated", "keeper"].map((each) => told(each, isReady))).then(() =>
      apply(objects("two")),
    ));
    return await told(app, (lines) => count(lines, "is ready") === 2);
  };
  const inTurn = ["a pod comes", "a pod is ready", "a pod is gone", "a pod comes", "a pod is ready"];

  it("Recreate: the old one is gone before the new one comes", async () => {
    const [there, here] = await replaced("recreated");
    expect(here).toEqual(there);
    expect(here).toEqual(inTurn);
  }, 500_000);

  it("a StatefulSet's next one finds the claim as the one before it left it", async () => {
    const [there, here] = await replaced("keeper");
    expect(here).toEqual(there);
    expect(here).toEqual(inTurn);
    const pod = { namespace, pod: "keeper-0", container: "main" };
    for (const target of targets) {
      using cat = await target.openExec(pod, ["cat", "/data/versions"], { signal: never });
      // What it is at first is each cluster's own affair.
      expect(await text(cat.output)).toMatch(/^one \S+ \S+\ntwo 1000:2000 700\n$/);
    }
  }, 500_000);
});
