import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engineContainers } from "../../src/docker/engine-containers.js";
import { label, labelled } from "../../src/docker/target/labels.js";
import type { KubeObject } from "../../src/engine/kube-object.js";
import type { Target } from "../../src/engine/target.js";
import {
  api,
  applyTo,
  engine,
  everything,
  follow,
  hasImage,
  image,
  never,
  openDocker,
  work,
} from "./both-targets.js";

// How pods end on the docker target, where no cluster of the tests is new enough, or has nothing like it.

const containers = engineContainers(api);
const sh = (script: string): readonly string[] => ["sh", "-c", script];
/** Runs until it is told to stop, and says then that it was. */
const until = (told: string): readonly string[] =>
  sh(`trap '${told}; exit 0' TERM; while :; do sleep 0.1; done`);
const note = (word: string): string => `echo ${word} >> /v/steps`;
const volumeMounts = [{ name: "v", mountPath: "/v" }];

function workload(kind: string, spec: object, inPod: object): KubeObject {
  const template = { metadata: { labels: { app: "web" } }, spec: inPod };
  return {
    ...{ apiVersion: kind === "Job" ? "batch/v1" : "apps/v1", kind, metadata: { name: "web" } },
    ...{ spec: { selector: { matchLabels: { app: "web" } }, template, ...spec } },
  };
}

describe.skipIf(!(await hasImage()))("a pod on the docker target", () => {
  let project = "";
  let target: Target;
  let followed: ReturnType<typeof follow>;

  beforeEach(async () => {
    project = `ends-${Math.random().toString(36).slice(2, 7)}`;
    await open();
  });
  afterEach(async () => {
    await close();
    await target.remove(everything(project), work);
  });
  async function open(): Promise<void> {
    target = await openDocker(project);
    followed = follow(target, project);
  }
  async function close(): Promise<void> {
    await followed[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  }
  const own = () =>
    containers.list([labelled(label.project, project), labelled(label.role, "container")], { signal: never });
  /** The newest run of a container. */
  const named = async (name: string) =>
    (await own())
      .filter(({ labels }) => labels[label.container] === name)
      .sort((a, b) => Number(b.labels[label.attempt]) - Number(a.labels[label.attempt]))[0];
  async function eventually(is: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = Date.now() + 120_000; Date.now() < end;) {
      if (await is()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${what}: not within two minutes`);
  }

  it("that has done its work stops what stays beside it, the last first, and is over then", async () => {
    const beside = (name: string, hook?: string): object => ({
      ...{
        name,
        image,
        command: until(`${note(name)}; cat /v/steps`),
        restartPolicy: "Always",
        volumeMounts,
      },
      ...(hook === undefined ? {} : { lifecycle: { preStop: { exec: { command: sh(note(hook)) } } } }),
    });
    const phases: string[] = [];
    const job = workload(
      "Job",
      {},
      {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 20,
        volumes: [{ name: "v", emptyDir: {} }],
        initContainers: [beside("first"), beside("second", "hook")],
        containers: [{ name: "main", image, command: sh(note("main")), volumeMounts }],
      },
    );
    const watched = target.watch({
      onObject: (_type, { status }) => {
        const { phase = "", initContainerStatuses = [] } = (status ?? {}) as {
          readonly phase?: string;
          readonly initContainerStatuses?: readonly { readonly state?: { readonly running?: object } }[];
        };
        const running = initContainerStatuses.filter(({ state }) => state?.running).length;
        if (phase === "Succeeded") phases.push(`${phase} beside ${running}`);
      },
      ...{ onSync: () => undefined, onState: () => undefined, signal: never },
    });
    watched.set([{ kind: "Pod", namespace: project }]);
    await applyTo(target, project, [job]);
    await eventually(() => Promise.resolve(phases.length > 0), "its end");
    await watched[Symbol.asyncDispose]();
    expect(phases[0]).toBe("Succeeded beside 0");
    expect((await own()).map(({ state }) => `${state.status} ${state.exitCode}`)).toEqual(
      Array.from({ length: 3 }, () => "exited 0"),
    );
    const first = await named("first");
    const log = await target.openLog(
      { namespace: project, pod: "", container: "first", run: first?.id ?? "" },
      { previous: false, follow: false, signal: never },
    );
    const lines = (await text(log!)).split("\n").filter((line) => line !== "");
    expect(lines.map((line) => line.replace(/^\S+ /, ""))).toEqual(["main", "hook", "second", "first"]);
    // Nothing of it runs again when it is taken up.
    const before = (await own()).map(({ id, state }) => `${id} ${state.startedAt}`).sort();
    await close();
    await open();
    await applyTo(target, project, [job]);
    await eventually(
      () => Promise.resolve(followed.all().some(({ phase }) => phase === "Succeeded")),
      "its end, again",
    );
    await close();
    expect((await own()).map(({ id, state }) => `${id} ${state.startedAt}`).sort()).toEqual(before);
    await open();
  }, 300_000);

  it("of an Indexed Job knows its part, until each is done", async () => {
    // Each part fails once.
    const script = `test "$(hostname)" = "web-$JOB_COMPLETION_INDEX" || exit 9; echo $0 >> /v/$0; test $(wc -l < /v/$0) = 2`;
    const main = { name: "main", image, command: [...sh(script), "$(JOB_COMPLETION_INDEX)"], volumeMounts };
    const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data" } }];
    const counts = { completionMode: "Indexed", completions: 3, parallelism: 2 };
    const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" } };
    await applyTo(target, project, [
      { ...claim, ...{ spec: {} } },
      workload("Job", counts, { restartPolicy: "Never", containers: [main], volumes }),
    ]);
    const ends = (is: string) => followed.all().filter(({ phase }) => phase === is).length;
    await eventually(() => Promise.resolve(ends("Succeeded") === 3), "its parts");
    expect(followed.all()).toHaveLength(6);
    expect(ends("Failed")).toBe(3);
    const codes = (await own()).map(({ state }) => state.exitCode);
    expect(codes.sort()).toEqual([0, 0, 0, 1, 1, 1]);
  }, 300_000);

  it("runs its hook before it stops, and what stays beside it stops last, also by down", async () => {
    const db = (version: string): KubeObject =>
      workload(
        "StatefulSet",
        { serviceName: "web", volumeClaimTemplates: [{ metadata: { name: "v" }, spec: {} }] },
        {
          terminationGracePeriodSeconds: 20,
          initContainers: [
            { name: "beside", image, command: until(note("beside")), restartPolicy: "Always", volumeMounts },
          ],
          containers: [
            {
              ...{ name: "main", image, volumeMounts, command: until(`sleep 1; ${note("main")}`) },
              env: [{ name: "VERSION", value: version }],
              lifecycle: { preStop: { exec: { command: sh(note("hook")) } } },
            },
          ],
        },
      );
    const steps = async (times: number): Promise<string> => {
      let found = "";
      await eventually(async () => {
        const run = await named("main");
        if (run?.state.running !== true) return false;
        found = (await engine.exec(run.id, ["cat", "/v/steps"], { signal: never })).stdout;
        return found.split("\n").length > times;
      }, "the steps of the one before");
      return found;
    };
    await applyTo(target, project, [db("one")]);
    await followed.until("web-0", ({ phase }) => phase === "Running");
    await applyTo(target, project, [db("two")]);
    const once = "hook\nmain\nbeside\n";
    expect(await steps(3)).toBe(once);
    await close();
    await target.remove({ ...everything(project), includeVolumes: false }, work);
    await open();
    await applyTo(target, project, [db("two")]);
    expect(await steps(6)).toBe(once + once);
  }, 300_000);

  it("has no more than one program of a probe that does not answer", async () => {
    const command = sh("echo tried >> /tries; sleep 600; true");
    const readinessProbe = { exec: { command }, periodSeconds: 1, timeoutSeconds: 1 };
    const hangs: KubeObject = {
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "hangs" } },
      ...{ spec: { containers: [{ name: "main", image, command: until("true"), readinessProbe }] } },
    };
    await applyTo(target, project, [hangs]);
    const { containerStatuses: [main] = [] } = await followed.until(
      "hangs",
      ({ phase }) => phase === "Running",
    );
    const count = sh("wc -l < /tries; ps | grep -c '[s]leep 600'");
    await eventually(async () => {
      const { stdout } = await engine.exec(main?.containerID ?? "", count, { signal: never });
      const [tries = 0, running = 0] = stdout.trim().split("\n").map(Number);
      // Each is two: a shell and what it waits for.
      return tries >= 4 && running <= 2;
    }, "the programs of before to end");
  }, 300_000);

  it("comes back by the engine although it waits for its next start when devloop ends", async () => {
    // A new container fails; the same one, started again, stays.
    const crashes = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "crashes" },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: "main", image, command: sh("test -e /mark || { touch /mark; exit 1; }; sleep 1; exit 1") },
        ],
      },
    };
    await applyTo(target, project, [crashes]);
    await followed.until(
      "crashes",
      ({ containerStatuses: [main] = [] }) => main?.state?.waiting?.reason === "CrashLoopBackOff",
    );
    const waiting = await named("main");
    await close();
    await eventually(async () => {
      const now = await named("main");
      // It was started, and once more by the engine.
      return now?.id === waiting?.id && (now?.restarts ?? 0) > 0;
    }, "it to be started anew");
    await open();
  }, 300_000);
});
