import type { KubeObject } from "../../src/engine/kube-object.js";

/** A pod with one feature, or a container of a pod with many, and how far it is to come before it is looked at. */
export interface PodCase {
  readonly what: string;
  readonly until: "ended" | "ready" | "restarted" | "waiting";
  readonly pod: string;
  /** Left out: all containers of the pod. */
  readonly container?: string;
  /** What its container exits with, where it is to end; 0 unless it is said: so that both cannot fail alike unseen. */
  readonly exit?: number | "never starts";
}

const image = "busybox:1";
const sh = (script: string): readonly string[] => ["sh", "-c", script];
/** Runs for long, and ends at once when it is told to. */
const stay = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

interface Fields {
  readonly spec?: object;
  readonly container?: object;
  readonly others?: readonly object[];
  /** The others do not end: its own container is looked at once that has. */
  readonly stays?: true;
  readonly metadata?: object;
  readonly volume?: object;
  readonly until?: PodCase["until"];
  readonly exit?: PodCase["exit"];
}
interface Wanted extends Fields {
  readonly what: string;
  readonly script: string;
}
const pod = (what: string, script: string, fields: Fields = {}): Wanted => ({ what, script, ...fields });

const base = {
  restartPolicy: "Never",
  terminationGracePeriodSeconds: 1,
  automountServiceAccountToken: false,
  enableServiceLinks: false,
};

/** The pods of the cases, with what they use. What asks nothing of its pod shares one: a pod costs a cluster far more than a container. */
export function specObjects(namespace: string): {
  readonly objects: readonly KubeObject[];
  readonly cases: readonly PodCase[];
} {
  const alone: KubeObject[] = [];
  const containers: object[] = [];
  const volumes: object[] = [];
  const cases = wantedCases(namespace).map((wanted, index): PodCase => {
    const {
      what,
      script,
      container = {},
      others = [],
      stays,
      spec,
      metadata,
      volume,
      until = "ended",
      exit = 0,
    } = wanted;
    const name = `case-${index}`;
    const main = { name: "main", image, command: sh(script), ...container };
    const own = volume ? [{ name: "v", ...volume }] : [];
    if (!spec && !metadata && others.length === 0 && until === "ended") {
      const mounts = (container as { readonly volumeMounts?: readonly object[] }).volumeMounts;
      containers.push({
        ...main,
        name,
        ...(mounts ? { volumeMounts: mounts.map((each) => ({ ...each, name })) } : {}),
      });
      volumes.push(...own.map((each) => ({ ...each, name })));
      return { what, until, pod: "together", container: name, exit };
    }
    alone.push({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, ...metadata },
      spec: { ...base, containers: [main, ...others], volumes: own, ...spec },
    });
    return { what, until, pod: name, exit, ...(stays ? { container: "main" } : {}) };
  });
  const together: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "together" },
    spec: { ...base, containers, volumes },
  };
  return { objects: [...shared, together, ...alone], cases };
}

const mount = (name: string, mountPath: string, more: object = {}): object => ({
  volumeMounts: [{ name, mountPath, ...more }],
});

/** Says nothing, and fails, where it can be written. */
const writes = "touch /v/x 2>&1 | grep -o 'Read-only file system'";

/** What the cases use. */
const shared: readonly KubeObject[] = [
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings" },
    data: { COLOR: "blue", "app.conf": "a=1\nb=2" },
    binaryData: { blob: Buffer.from("bin").toString("base64") },
  },
  {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "token" },
    data: { TOKEN: Buffer.from("s3cret").toString("base64") },
    stringData: { PLAIN: "plain" },
  },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } },
  // A pod that has one claim twice never starts in a cluster.
  ...["data", "seed"].map((name) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
  })),
  {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "server", labels: { app: "server" } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "httpd",
          image,
          command: sh("mkdir /www && echo served > /www/index.html && exec httpd -f -p 8080 -h /www"),
          ports: [{ name: "web", containerPort: 8080 }],
          readinessProbe: { tcpSocket: { port: "web" }, periodSeconds: 1 },
        },
      ],
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "server" },
    spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: "web" }] },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "two-ports" },
    spec: {
      selector: { app: "server" },
      ports: [
        { name: "first", port: 80, targetPort: "web" },
        { name: "an-other", port: 90, targetPort: 8080 },
      ],
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "nobody" },
    spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
  },
];

function wantedCases(namespace: string): readonly Wanted[] {
  const fetches = (host: string): string =>
    `for i in $(seq 60); do timeout 2 wget -qO- http://${host}/ 2>/dev/null && exit 0; sleep 0.5; done; echo never; exit 1`;
  return [
    pod("a command with arguments", "", { container: { command: ["echo", "one"], args: ["two", "a b"] } }),
    pod("arguments alone go after the image's entrypoint", "", {
      container: { command: undefined, args: ["echo", "args"] },
    }),
    pod("variables, with others in them", 'echo "$A|$B|$C|$D"', {
      container: {
        env: [
          { name: "A", value: "one" },
          { name: "B", value: "$(A)-two" },
          { name: "C", value: "$$(A)" },
          { name: "D", value: "$(LATER)$(NONE)" },
          { name: "LATER", value: "later" },
        ],
      },
    }),
    pod("variables in the command", "", {
      container: {
        command: ["echo", "$(A)"],
        args: ["$(A)", "$$(A)", "$(NONE)"],
        env: [{ name: "A", value: "one" }],
      },
    }),
    pod("a variable without a value", 'echo "[$A]"', { container: { env: [{ name: "A" }] } }),
    pod("envFrom a config map, with a prefix", "env | grep ^P_ | sort", {
      container: { envFrom: [{ prefix: "P_", configMapRef: { name: "settings" } }] },
    }),
    pod("envFrom a secret, and env before it", 'echo "$TOKEN|$PLAIN"', {
      container: {
        envFrom: [{ secretRef: { name: "token" } }],
        env: [{ name: "PLAIN", value: "over" }],
      },
    }),
    pod("keys of config maps and secrets", 'echo "$A|$B|${C-unset}|${D-unset}"', {
      container: {
        env: [
          { name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "COLOR" } } },
          { name: "B", valueFrom: { secretKeyRef: { name: "token", key: "TOKEN" } } },
          { name: "C", valueFrom: { configMapKeyRef: { name: "none", key: "X", optional: true } } },
          { name: "D", valueFrom: { configMapKeyRef: { name: "settings", key: "blob", optional: true } } },
        ],
      },
    }),
    pod("an envFrom that need not be there", "echo here", {
      container: { envFrom: [{ configMapRef: { name: "none", optional: true } }] },
    }),
    pod("a config map that is not there", "echo here", {
      container: { envFrom: [{ configMapRef: { name: "none" } }] },
      until: "waiting",
    }),
    pod("a key that is not there", "echo here", {
      container: { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "token", key: "NONE" } } }] },
      until: "waiting",
    }),
    pod("fields of the pod", 'echo "$N|$S|$L|$A|$R"', {
      metadata: { labels: { tier: "back" }, annotations: { note: "a note" } },
      spec: { serviceAccountName: "robot" },
      container: {
        env: [
          { name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "S", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
          { name: "L", valueFrom: { fieldRef: { fieldPath: "metadata.labels['tier']" } } },
          { name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.annotations['note']" } } },
          { name: "R", valueFrom: { fieldRef: { fieldPath: "spec.serviceAccountName" } } },
        ],
      },
    }),
    pod("the pod's address", 'test "$(hostname -i)" = "$IP" && echo same', {
      container: { env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }] },
    }),
    pod("the address of the pod's machine is none of its own", 'case "$IP" in "" | 127.*) exit 1 ;; esac', {
      container: { env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } }] },
    }),
    pod("limits as variables, and as what is requested", 'echo "$M|$MI|$C|$R"', {
      container: {
        resources: { limits: { memory: "32Mi", cpu: "250m" } },
        env: [
          { name: "M", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
          { name: "MI", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
          { name: "C", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
          { name: "R", valueFrom: { resourceFieldRef: { resource: "requests.memory" } } },
        ],
      },
    }),
    pod(
      "what is requested as variables, and the machine's limits",
      'echo "$C|$L|$M"; test "$A" -gt 9999999',
      {
        container: {
          resources: { requests: { cpu: "70m" }, limits: { cpu: "1" } },
          env: [
            { name: "C", valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } } },
            { name: "L", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "0" } } },
            { name: "M", valueFrom: { resourceFieldRef: { resource: "requests.memory" } } },
            { name: "A", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
          ],
        },
      },
    ),
    pod(
      "more processors than there are",
      "cd /sys/fs/cgroup; cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null; echo here",
      { container: { resources: { requests: { cpu: "1m" }, limits: { cpu: "1k" } } } },
    ),
    pod("a config map as files", "cd /v; cat COLOR etc/app.conf blob; stat -L -c %a COLOR etc/app.conf", {
      volume: {
        configMap: {
          name: "settings",
          items: [
            { key: "COLOR", path: "COLOR" },
            { key: "app.conf", path: "etc/app.conf", mode: 0o600 },
            { key: "blob", path: "blob" },
          ],
        },
      },
      container: mount("v", "/v"),
    }),
    pod("a secret as files, with a mode", "cat /v/TOKEN /v/PLAIN; stat -L -c %a /v/TOKEN", {
      volume: { secret: { secretName: "token", defaultMode: 0o400 } },
      container: mount("v", "/v"),
    }),
    pod(
      "one file of a volume in a directory of the image",
      "cat /bin/app.conf; test -x /bin/sh && echo kept",
      {
        volume: { configMap: { name: "settings" } },
        container: mount("v", "/bin/app.conf", { subPath: "app.conf" }),
      },
    ),
    pod(
      "a part of a volume that is not there yet",
      "stat -c '%u %g %a' /part /v/a; echo x > /part/x && cat /v/a/b/x",
      {
        volume: { emptyDir: {} },
        container: {
          volumeMounts: [
            { name: "v", mountPath: "/v" },
            { name: "v", mountPath: "/part", subPath: "a/b" },
          ],
          securityContext: { runAsUser: 1234 },
        },
      },
    ),
    // Its mode is the root's, which is each cluster's own affair.
    pod("a part of a claim by a variable", "stat -c '%u %g' /part; ls /v", {
      volume: { persistentVolumeClaim: { claimName: "data" } },
      container: {
        env: [{ name: "PART", value: "part" }],
        volumeMounts: [
          { name: "v", mountPath: "/v" },
          { name: "v", mountPath: "/part", subPathExpr: "of-$(PART)" },
        ],
      },
    }),
    pod("a part of a volume by a variable that there is not", "echo here", {
      volume: { emptyDir: {} },
      container: mount("v", "/v", { subPathExpr: "$(NONE)" }),
      until: "waiting",
    }),
    ...[
      { configMap: { name: "settings" } },
      { secret: { secretName: "token" } },
      { projected: { sources: [{ configMap: { name: "settings" } }] } },
      { downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "metadata.name" } }] } },
      { persistentVolumeClaim: { claimName: "seed", readOnly: true } },
    ].map((volume) =>
      pod(`nobody writes into a volume: ${JSON.stringify(volume)}`, writes, {
        volume,
        container: mount("v", "/v"),
      }),
    ),
    pod("a file of a config map that need not be there", "stat -c '%F %a' /one", {
      volume: { configMap: { name: "none", optional: true } },
      container: mount("v", "/one", { subPath: "file" }),
    }),
    pod("several sources in one volume", "cd /v; cat c t n", {
      volume: {
        projected: {
          sources: [
            { configMap: { name: "settings", items: [{ key: "COLOR", path: "c" }] } },
            { secret: { name: "token", items: [{ key: "TOKEN", path: "t" }] } },
            { downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "metadata.namespace" } }] } },
          ],
        },
      },
      container: mount("v", "/v"),
    }),
    pod("labels and limits as files, with a mode", "", {
      metadata: { labels: { b: "2", a: "1" } },
      spec: {
        volumes: [
          {
            name: "v",
            downwardAPI: {
              defaultMode: 0o440,
              items: [
                { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                {
                  path: "memory",
                  resourceFieldRef: { containerName: "main", resource: "limits.memory", divisor: "1Mi" },
                },
              ],
            },
          },
        ],
      },
      container: {
        command: sh("grep -E '^(a|b)=' /v/labels; cat /v/memory; echo; stat -L -c %a /v/labels"),
        resources: { limits: { memory: "32Mi" } },
        ...mount("v", "/v"),
      },
    }),
    pod("init containers in order, with a directory of all", "cat /v/steps", {
      spec: {
        volumes: [{ name: "v", emptyDir: {} }],
        initContainers: ["one", "two"].map((name) => ({
          name,
          image,
          command: sh(`echo ${name} >> /v/steps`),
          ...mount("v", "/v"),
        })),
      },
      container: mount("v", "/v"),
    }),
    pod("an init container that fails", "echo never", {
      spec: { initContainers: [{ name: "bad", image, command: sh("echo tried; exit 4") }] },
      exit: "never starts",
    }),
    pod("an empty directory that another user writes into", "echo x > /v/x && cat /v/x; stat -c %a /v", {
      volume: { emptyDir: {} },
      container: { ...mount("v", "/v"), securityContext: { runAsUser: 1234 } },
    }),
    pod(
      "a group that owns the volumes",
      "stat -c '%g %a' /v /part; touch /part/x; stat -c %g /part/x; id -G | tr ' ' '\\n' | sort",
      {
        spec: {
          volumes: [{ name: "v", emptyDir: {} }],
          securityContext: { runAsUser: 1234, runAsGroup: 1235, fsGroup: 2000, supplementalGroups: [3000] },
        },
        container: {
          volumeMounts: [
            { name: "v", mountPath: "/v" },
            { name: "v", mountPath: "/part", subPath: "a" },
          ],
        },
      },
    ),
    pod("a read-only mount", writes, {
      volume: { emptyDir: {} },
      container: mount("v", "/v", { readOnly: true }),
    }),
    pod("a working directory", "pwd", { container: { workingDir: "/usr/share" } }),
    pod("a user and group", "id -u; id -g", {
      container: { securityContext: { runAsUser: 1000, runAsGroup: 2000 } },
    }),
    pod("a group alone", "id -u; id -g", { container: { securityContext: { runAsGroup: 2000 } } }),
    pod("a container's own user", "id -u", {
      spec: { securityContext: { runAsUser: 1000 } },
      container: { securityContext: { runAsUser: 1001 } },
    }),
    pod("a user that must not be root, and is not", "id -u", {
      container: { securityContext: { runAsNonRoot: true, runAsUser: 1000 } },
    }),
    pod("a user that must not be root, of an image that says nothing", "id -u", {
      container: { securityContext: { runAsNonRoot: true } },
      until: "waiting",
    }),
    pod("a read-only root", "touch /x 2>&1 | grep -o 'Read-only file system'", {
      container: { securityContext: { readOnlyRootFilesystem: true } },
    }),
    pod("no capabilities but one", "grep -E 'Cap(Eff|Bnd)' /proc/self/status", {
      container: { securityContext: { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } } },
    }),
    pod("no new privileges", "grep NoNewPrivs /proc/self/status", {
      container: { securityContext: { allowPrivilegeEscalation: false } },
    }),
    pod("an exit code", "echo out; echo err >&2; exit 3", { exit: 3 }),
    pod(
      "a restart after a failure, with a new file system",
      'echo "run $(cat /v/n 2>/dev/null)"; test -e /mark && echo marked; touch /mark; test -e /v/n && exit 0; echo 2 > /v/n; exit 1',
      {
        spec: { restartPolicy: "OnFailure", volumes: [{ name: "v", emptyDir: {} }] },
        container: mount("v", "/v"),
      },
    ),
    pod("a container beside it that serves it by the one network, and stays", fetches("127.0.0.1:8081"), {
      others: [
        {
          name: "server",
          image,
          command: sh("mkdir /www; echo near > /www/index.html; exec httpd -f -p 8081 -h /www"),
        },
      ],
      stays: true,
    }),
    pod(
      "names of addresses",
      "grep -E 'db.example' /etc/hosts | tr '\\t' ' ' | tr ' ' '\\n' | grep -v '^$' | sort",
      {
        spec: { hostAliases: [{ ip: "10.1.2.3", hostnames: ["db.example"] }] },
      },
    ),
    pod("the pod's name as its host's", "test $(hostname) = $HOSTNAME && hostname"),
    pod("a Service by its name, on its port", fetches("server")),
    pod("a Service by its name and namespace", fetches(`server.${namespace}`)),
    pod("a Service by its full name", fetches(`server.${namespace}.svc.cluster.local`)),
    pod(
      "the variables of Services",
      `env | grep -E '^(SERVER|TWO_PORTS|NOBODY)_' | sed -E 's/[0-9]+(\\.[0-9]+){3}/ADDRESS/' | sort; echo "$A"`,
      {
        spec: { enableServiceLinks: true },
        container: {
          env: [
            { name: "A", value: "port $(SERVER_SERVICE_PORT)" },
            { name: "SERVER_PORT", value: "own" },
          ],
        },
      },
    ),
    pod("a Service without pods refuses", "timeout 3 wget -qO- http://nobody/ 2>&1 | grep -o refused"),
    pod("a readiness probe by a command", `sleep 1; echo go >/ready; ${stay}`, {
      container: {
        env: [{ name: "WORD", value: "go" }],
        readinessProbe: {
          exec: { command: ["sh", "-c", 'test "$$(cat /ready)" = $(WORD)'] },
          // 0 means the default.
          ...{ periodSeconds: 1, timeoutSeconds: 0, failureThreshold: 0 },
        },
      },
      until: "ready",
    }),
    pod(
      "a readiness probe by http, behind a startup probe",
      "mkdir /www; echo ok > /www/ok; exec httpd -f -p 8080 -h /www",
      {
        container: {
          ports: [{ name: "http", containerPort: 8080 }],
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          readinessProbe: { httpGet: { path: "/ok", port: "http" }, periodSeconds: 1 },
        },
        until: "ready",
      },
    ),
    pod("a liveness probe that fails", `echo run; ${stay}`, {
      spec: { restartPolicy: "Always" },
      container: { livenessProbe: { exec: { command: ["false"] }, periodSeconds: 1, failureThreshold: 1 } },
      until: "restarted",
    }),
    pod(
      "a liveness probe that leads to what is not there, and a hook before the end",
      "cat /v/hook && exit 0; trap 'exit 1' TERM; mkdir -p /www/gone; httpd -p 8080 -h /www; while :; do sleep 0.2; done",
      {
        spec: {
          restartPolicy: "OnFailure",
          terminationGracePeriodSeconds: 20,
          volumes: [{ name: "v", emptyDir: {} }],
        },
        container: {
          ...mount("v", "/v"),
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 60 },
          livenessProbe: { httpGet: { path: "/gone", port: 8080 }, periodSeconds: 1, timeoutSeconds: 10 },
          lifecycle: { preStop: { exec: { command: sh("echo hooked > /v/hook") } } },
        },
      },
    ),
    pod(
      "a hook after the start",
      `for i in $(seq 1200); do test -e /hook && cat /hook && exit 0; sleep 0.1; done; exit 1`,
      {
        container: { lifecycle: { postStart: { exec: { command: sh("echo hooked > /hook") } } } },
      },
    ),
  ];
}
