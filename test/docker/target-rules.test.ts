import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { checkedObject } from "../../src/docker/target/checked.js";
import { hasGateway, podDialer, type Programs } from "../../src/docker/target/dial.js";
import { ingressRoutes, routeFor } from "../../src/docker/target/ingress-rules.js";
import { passedOver } from "../../src/docker/target/passed-over.js";
import { askProbe, probeNumbers } from "../../src/docker/target/probe.js";
import { probeTargetOf } from "../../src/docker/target/probe-target.js";
import { endpointsOf } from "../../src/docker/target/service-rules.js";
import { shownWorkload } from "../../src/docker/target/workload-status.js";
import { jobProgress, type PodTurn, turnOf } from "../../src/docker/target/workload-turn.js";
import type { KubeObject } from "../../src/engine/kube-object.js";

const signal = new AbortController().signal;

function workload(kind: string, spec: object): KubeObject {
  const template = { spec: { containers: [{ name: "c", image: "i" }] } };
  return { apiVersion: "apps/v1", kind, metadata: { name: "web" }, ...{ spec: { template, ...spec } } };
}
const pod = (name: string, fields: Partial<PodTurn> = {}): PodTurn => ({
  ...{ name, current: true, ready: true, stopping: false, phase: "Running" },
  ...fields,
});

describe("a workload's turn", () => {
  it("a Deployment's old pods go as the new ones are ready, as many as may be missing", () => {
    const web = workload("Deployment", { replicas: 4 });
    const old = ["a", "b", "c", "d"].map((name) => pod(name, { current: false }));
    // A quarter more, a quarter less.
    expect(turnOf(web, old)).toEqual({ stop: ["a"], create: [undefined] });
    const begun = [...old.slice(1), pod("n1", { ready: false }), pod("n2", { ready: false })];
    expect(turnOf(web, begun)).toEqual({ stop: [], create: [] });
    expect(turnOf(web, [...old.slice(1), pod("n1"), pod("n2", { ready: false })])).toEqual({
      stop: ["b"],
      create: [],
    });
  });

  it("a StatefulSet goes down from the last, one after the other, and replaces from the last", () => {
    const names = ["web-0", "web-1", "web-2"];
    const down = workload("StatefulSet", { replicas: 1 });
    expect(
      turnOf(
        down,
        names.map((name) => pod(name)),
      ).stop,
    ).toEqual(["web-2"]);
    expect(turnOf(down, [pod("web-0"), pod("web-1"), pod("web-2", { stopping: true })]).stop).toEqual([]);
    const three = workload("StatefulSet", { replicas: 3 });
    const old = names.map((name) => pod(name, { current: false }));
    expect(turnOf(three, old).stop).toEqual(["web-2"]);
    expect(turnOf(three, [...old.slice(0, 2), pod("web-2", { ready: false })]).stop).toEqual([]);
  });

  it("a Deployment that goes down keeps those that have come furthest, and of these the oldest", () => {
    const one = workload("Deployment", { replicas: 1 });
    const pods = [
      pod("a", { ready: false, phase: "Pending" }),
      pod("b", { ready: false }),
      pod("c"),
      pod("d"),
    ];
    expect(turnOf(one, pods).stop).toEqual(["d", "b", "a"]);
  });

  it("a StatefulSet counts from where it says, and replaces none before its partition", () => {
    const spec = { replicas: 2, ordinals: { start: 5 } };
    expect(turnOf(workload("StatefulSet", spec), []).create).toEqual(["web-5"]);
    const old = ["web-5", "web-6"].map((name) => pod(name, { current: false }));
    const parted = (partition: number): KubeObject =>
      workload("StatefulSet", { ...spec, updateStrategy: { rollingUpdate: { partition } } });
    expect(turnOf(parted(6), old).stop).toEqual(["web-6"]);
    expect(turnOf(parted(7), old)).toEqual({ stop: [], create: [] });
  });

  it("an Indexed Job makes a pod for each of its parts that none has done or works on", () => {
    const job = workload("Job", { completionMode: "Indexed", completions: 4, parallelism: 3 });
    expect(turnOf(job, []).create).toEqual(["web-0", "web-1", "web-2"]);
    const pods = [
      pod("web-0-aaaaa", { phase: "Succeeded" }),
      pod("web-1-aaaaa", { phase: "Failed" }),
      pod("web-2-aaaaa"),
    ];
    expect(turnOf(job, pods).create).toEqual(["web-1", "web-3"]);
  });

  it("a Job makes pods until enough have ended well; a CronJob only when it is due", () => {
    const job = { completions: 3, parallelism: 2 };
    const done = pod("a", { phase: "Succeeded" });
    expect(turnOf(workload("Job", job), [done, pod("b")]).create).toHaveLength(1);
    expect(turnOf(workload("Job", job), [done, done, done]).create).toHaveLength(0);
    expect(turnOf(workload("Job", { backoffLimit: 0 }), [pod("a", { phase: "Failed" })]).create).toHaveLength(
      0,
    );
    const cron = workload("CronJob", { jobTemplate: workload("Job", {}) });
    expect(turnOf(cron, []).create).toHaveLength(0);
    expect(turnOf(cron, [], true).create).toHaveLength(1);
  });
});

describe("a Job's pods", () => {
  const running = (restarts: number): PodTurn => pod("a", { restarts });
  const job = (restartPolicy: string, fields: object = {}): KubeObject =>
    workload("Job", {
      template: { spec: { restartPolicy, containers: [{ name: "c", image: "i" }] } },
      ...fields,
    });

  it.each([
    ["OnFailure", 0, 0, false],
    ["OnFailure", 0, 1, true],
    ["OnFailure", 3, 2, false],
    ["OnFailure", 3, 3, true],
    ["Never", 0, 1, false],
  ])(
    "with %s and backoffLimit %d: after %d restarts it has given up: %s",
    (policy, backoffLimit, restarts, is) => {
      const of = job(policy, { backoffLimit });
      expect(jobProgress(of, [running(restarts)]).gaveUp).toBe(is);
      expect(turnOf(of, [running(restarts)])).toEqual({ stop: is ? ["a"] : [], create: [] });
    },
  );

  it("do not come again once it has failed for good, and it stays failed without them", () => {
    const of = job("OnFailure", { backoffLimit: 0 });
    expect(turnOf(of, [], false, true)).toEqual({ stop: [], create: [] });
    const facts = { uid: "u", generation: 1, revision: 1, pods: [], gaveUp: true };
    expect(shownWorkload(of, facts)).toMatchObject([{ status: { conditions: [{ type: "Failed" }] } }]);
  });

  it("go when it is suspended, those that have ended aside", () => {
    const pods = [pod("a", { phase: "Succeeded" }), pod("b"), pod("c", { phase: "Pending" })];
    const of = job("Never", { completions: 5, parallelism: 5, suspend: true });
    expect(turnOf(of, pods)).toEqual({ stop: ["b", "c"], create: [] });
  });
});

describe("a probe", () => {
  it("by http is answered by what its redirects lead to, on its own host", async () => {
    const asked: string[] = [];
    await using server = createHttpServer(({ url = "", headers }, answer) => {
      asked.push(`${headers.host} ${url}`);
      const location: Readonly<Record<string, string>> = {
        ...{ "/lost": "none", "/moved": "/there?a=1", "/away": "http://other.example/none" },
        ...{ "/round": "/round", "/full": `http://127.0.0.1:${headers["x-port"] as string}/there?a=1` },
      };
      const to = location[url];
      answer.writeHead(
        to === undefined ? (url === "/there?a=1" ? 200 : 404) : 302,
        to ? { location: to } : {},
      );
      answer.end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const dialed: string[] = [];
    const dialer = {
      async dial({ address, port: to }: { readonly address: string; readonly port: number }) {
        dialed.push(`${address}:${to}`);
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        return socket;
      },
      ...{ dialInside: () => Promise.reject(new Error("not asked")), check: () => Promise.resolve() },
    };
    const programs = {
      open: () => Promise.reject(new Error("not asked")),
      run: () => Promise.reject(new Error("not asked")),
    };
    const spec = { name: "c", image: "i" };
    const target = probeTargetOf({ dialer, programs }, { id: "c", spec }, () => ({
      ...{ id: "h", address: "127.0.0.1" },
    }));
    const httpHeaders = [
      { name: "Host", value: "shop" },
      { name: "X-Port", value: String(port) },
    ];
    const ask = (path: string, host?: string) =>
      askProbe(
        { httpGet: { path, port, httpHeaders, ...(host === undefined ? {} : { host }) }, timeoutSeconds: 60 },
        target,
        { signal },
      );
    expect(await ask("/lost")).toBe("HTTP probe failed with statuscode: 404");
    expect(await ask("/moved")).toBeUndefined();
    expect(await ask("/full")).toBeUndefined();
    expect(await ask("/away")).toBeUndefined();
    expect(await ask("/round")).toBe("stopped after 10 redirects");
    expect(asked.slice(0, 7)).toEqual([
      ...["shop /lost", "shop /none", "shop /moved", "shop /there?a=1"],
      ...["shop /full", `127.0.0.1:${port} /there?a=1`, "shop /away"],
    ]);
    dialed.splice(0);
    await ask("/moved", "10.9.8.7");
    await ask("/there?a=1", "localhost");
    expect(dialed).toEqual([`10.9.8.7:${port}`, `10.9.8.7:${port}`, `127.0.0.1:${port}`]);
  });

  it("has its defaults for what is 0", () => {
    const none = { periodSeconds: 0, timeoutSeconds: 0, successThreshold: 0, failureThreshold: 0 };
    expect(probeNumbers(none)).toEqual(probeNumbers({}));
    expect(probeNumbers(none)).toMatchObject({ periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3 });
  });
});

it("a Service's port by name is found at a container that stays beside the others", () => {
  const port = { name: "web", containerPort: 8080 };
  const beside = { name: "proxy", image: "i", restartPolicy: "Always", ports: [port] };
  const conditions = [{ type: "Ready", status: "True" }];
  const shown = (initContainer: object): KubeObject => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "web", labels: { app: "web" } } },
    ...{ spec: { initContainers: [initContainer], containers: [{ name: "c", image: "i" }] } },
    ...{ status: { podIP: "10.0.0.1", conditions } },
  });
  const service = {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "web" } },
    spec: { selector: { app: "web" }, ports: [] },
  };
  expect(endpointsOf(service, "web", [shown(beside)])).toMatchObject([{ address: "10.0.0.1", port: 8080 }]);
  // One that has ended listens nowhere.
  expect(endpointsOf(service, "web", [shown({ ...beside, restartPolicy: undefined })])).toEqual([]);
});

it("a hook that sleeps takes its time", async () => {
  const target = {
    ...{ address: "", namedPorts: {} },
    dial: () => Promise.reject(new Error("not asked")),
    check: () => Promise.reject(new Error("not asked")),
    exec: () => Promise.reject(new Error("not asked")),
  };
  const late = await askProbe({ sleep: { seconds: 3600 }, timeoutSeconds: 0.01 }, target, { signal });
  expect(late).toBe("context deadline exceeded");
  expect(await askProbe({ sleep: { seconds: 0 }, timeoutSeconds: 60 }, target, { signal })).toBeUndefined();
});

describe("an Ingress's rules", () => {
  const backend = (name: string): object => ({ service: { name, port: { number: 80 } } });
  const ingress = (rules: readonly object[], defaultBackend?: object): KubeObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "shop" },
    ...{ spec: { rules, defaultBackend } },
  });
  const routes = ingressRoutes([
    ingress(
      [
        { http: { paths: [{ path: "/", pathType: "Prefix", backend: backend("any") }] } },
        { host: "*.shop.example", http: { paths: [{ path: "/", backend: backend("star") }] } },
        {
          host: "tea.shop.example",
          http: {
            paths: [
              { path: "/", pathType: "Prefix", backend: backend("tea") },
              { path: "/api", pathType: "Prefix", backend: backend("api") },
              { path: "/api", pathType: "Exact", backend: backend("exact") },
            ],
          },
        },
      ],
      backend("rest"),
    ),
  ]);
  it.each([
    ["tea.shop.example:8080", "/", "tea"],
    ["TEA.shop.example", "/api?x=1", "exact"],
    ["tea.shop.example", "/api/teas", "api"],
    ["tea.shop.example", "/apis", "tea"],
    ["mugs.shop.example", "/api", "star"],
    ["a.b.shop.example", "/", "any"],
    ["localhost:8080", "/x", "any"],
  ])("%s%s leads to %s", (host, path, service) => {
    expect(routeFor(routes, host, path)?.backend.service).toBe(service);
  });
  it("lead nowhere without a rule", () => {
    const only = ingressRoutes([
      ingress([{ host: "a", http: { paths: [{ path: "/", backend: backend("a") }] } }]),
    ]);
    expect(routeFor(only, "b", "/")).toBeUndefined();
  });
});

describe("what is passed over", () => {
  it("is named by object, with its fields", () => {
    const container = { name: "c", image: "i", ports: [{ containerPort: 80, hostPort: 80 }] };
    const spec = { containers: [container], nodeSelector: { a: "b" }, dnsPolicy: "ClusterFirst" };
    expect(passedOver(workload("Deployment", { template: { spec } }))).toBe(
      "Deployment/web (nodeSelector, hostPort)",
    );
    expect(passedOver(workload("Deployment", {}))).toBeUndefined();
    expect(passedOver(workload("Job", { activeDeadlineSeconds: 60 }))).toBe(
      "Job/web (activeDeadlineSeconds)",
    );
    expect(passedOver(workload("Job", { ttlSecondsAfterFinished: 0 }))).toBe(
      "Job/web (ttlSecondsAfterFinished)",
    );
    const set = { minReadySeconds: 5, updateStrategy: { type: "OnDelete" } };
    expect(passedOver(workload("StatefulSet", set))).toBe(
      "StatefulSet/web (minReadySeconds, updateStrategy OnDelete)",
    );
    const usual = { minReadySeconds: 0, paused: false, updateStrategy: { type: "RollingUpdate" } };
    expect(passedOver(workload("Deployment", usual))).toBeUndefined();
    expect(passedOver({ apiVersion: "v1", kind: "NetworkPolicy", metadata: { name: "n" } })).toBe(
      "NetworkPolicy/n",
    );
  });
});

describe("a connection to a pod", () => {
  it("goes straight only where the network's gateway is this machine's", () => {
    const interfaces = { lo: [{ address: "127.0.0.1" }], "br-1": [{ address: "172.20.0.1" }] };
    expect(hasGateway(["172.20.0.1"], interfaces)).toBe(true);
    expect(hasGateway(["172.21.0.1"], interfaces)).toBe(false);
    expect(hasGateway([], interfaces)).toBe(false);
  });

  it("goes through a program in the pod elsewhere, although its address leads somewhere from here", async () => {
    await using server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const ran: (readonly string[])[] = [];
    const programs: Programs = {
      open(_container, argv) {
        ran.push(argv);
        const stream = {
          input: new PassThrough(),
          output: new PassThrough(),
          [Symbol.dispose]: () => undefined,
        };
        return Promise.resolve(stream);
      },
      run(_container, argv) {
        ran.push(argv);
        return Promise.resolve({ exitCode: 1, output: "connection refused\n" });
      },
    };
    const to = { hold: "h", address: "127.0.0.1", port };
    const there = podDialer(programs, () => Promise.resolve(false));
    (await there.dial(to, { signal })).destroy();
    await expect(there.check(to, { signal })).rejects.toThrow("connection refused");
    expect(ran).toEqual([
      ["/pod", "connect", "127.0.0.1", String(port)],
      ["/pod", "check", "127.0.0.1", String(port)],
    ]);
    const here = podDialer(programs, () => Promise.resolve(true));
    (await here.dial(to, { signal })).destroy();
    await here.check(to, { signal });
    expect(ran).toHaveLength(2);
  });
});

describe("an object that no API server would take", () => {
  it.each([
    [{ replicas: "many" }, "Deployment/web is refused: .spec.replicas: expected number, received string"],
    [{ template: { spec: { containers: [] } } }, ".spec.template.spec.containers: there must be a container"],
    [{ template: undefined }, ".spec.template: expected object, received undefined"],
    [
      { updateStrategy: { rollingUpdate: { partition: "1" } } },
      "partition: expected number, received string",
    ],
    [
      withContainer({
        env: [
          { name: "A", value: "1" },
          { name: "PORT", value: 8080 },
        ],
      }),
      ".spec.template.spec.containers[0].env[1].value: expected string, received number",
    ],
    [
      withContainer({ readinessProbe: { httpGet: { path: "/" } } }),
      ".spec.template.spec.containers[0].readinessProbe.httpGet.port: expected a whole number or a string",
    ],
    [
      withContainer({ resources: { limits: { memory: "512MB" } } }),
      ".spec.template.spec.containers[0].resources.limits.memory: expected a quantity, as in 512Mi or 500m",
    ],
  ])("is refused, with the place: %j", (spec, words) => {
    expect(() => checkedObject(workload("Deployment", spec))).toThrow(words);
  });

  it.each(["hunter2", "aGk", "aGk=="])(
    "is a Secret whose data is not base64, and its value is not told: %s",
    (value) => {
      const secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "login" },
        data: { password: value },
      };
      expect(() => checkedObject(secret)).toThrow(
        /^Secret\/login is refused: \.data\.password: is not base64; text as it is goes into stringData$/,
      );
    },
  );

  it.each(["", "aGk=", "aHVudGVyMg==", "aHVu\ndGVyMg==\n", "/+Av"])("is not one with base64: %j", (value) => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "login" },
      data: { password: value },
    };
    expect(checkedObject(secret)).toEqual(secret);
  });

  it.each(["1", "0.5", "500m", "1e3", "1E3", "128Mi", "2G", ".5", "1E", 2])(
    "is not one with %j of something",
    (cpu) => {
      const spec = withContainer({ resources: { limits: { cpu }, requests: { cpu } } });
      expect(checkedObject(workload("Deployment", spec))).toMatchObject({ kind: "Deployment" });
    },
  );

  it("is not one with fields that are empty", () => {
    const metadata = { name: "settings" };
    expect(checkedObject({ apiVersion: "v1", kind: "ConfigMap", metadata, ...{ data: null } })).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
    });
    const spec = withContainer({ env: null, resources: { limits: { cpu: 1, memory: "64Mi" } } });
    expect(checkedObject(workload("Deployment", spec))).toMatchObject({ kind: "Deployment" });
  });
});

function withContainer(fields: object): object {
  return { template: { spec: { containers: [{ name: "c", image: "i", ...fields }] } } };
}
