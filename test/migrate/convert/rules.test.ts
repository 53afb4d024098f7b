import { symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  convertDirectory,
  convertText,
  scratchProject,
  type ConvertChoices,
  type Converted,
} from "./projects.js";

type Choices = ConvertChoices & {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
};

interface Pod {
  readonly containers: readonly Record<string, unknown>[];
  readonly [field: string]: unknown;
}

/** One service called web, as the lines of its map. */
const service = (lines: string, rest = "") =>
  `services:\n  web:\n    image: web:1\n${lines.replace(/^/gm, "    ")}\n${rest}`;

async function podOf(
  text: string,
  choices: Choices = {},
  name = "web",
  kind = "deployment",
): Promise<Pod & { migration: Converted }> {
  const migration = await convertText(text, choices);
  const object = parse(migration.file(`k8s/base/${name}/${kind}.yaml`)) as {
    spec: { template: { spec: Pod } };
  };
  return { ...object.spec.template.spec, migration };
}

async function containerOf(text: string, choices: Choices = {}): Promise<Record<string, unknown>> {
  return (await podOf(text, choices)).containers[0]!;
}

describe("commands", () => {
  it("doubles the dollars that Kubernetes would take, and leaves the shell's own", async () => {
    const { args } = await containerOf(
      service('command: ["sh", "-c", "echo $$(date) $$HOME $$$$ $${X:+y}"]'),
    );
    expect(args).toEqual(["sh", "-c", "echo $$(date) $HOME $$$$ ${X:+y}"]);
  });

  it("takes entrypoint for command and command for args", async () => {
    expect(
      await containerOf(service('entrypoint: [/run.sh]\ncommand: serve "a b"\nworking_dir: /app\ntty: true')),
    ).toMatchObject({
      command: ["/run.sh"],
      args: ["serve", "a b"],
      workingDir: "/app",
      tty: true,
    });
  });

  it("lets the command take the place of a cleared entrypoint", async () => {
    const container = await containerOf(service("entrypoint: []\ncommand: [serve]"));
    expect(container).toMatchObject({ command: ["serve"] });
    expect(container).not.toHaveProperty("args");
  });

  it("asks about a cleared entrypoint with nothing in its place", async () => {
    expect((await convertText(service("entrypoint: []"))).told("services.web.entrypoint")).toMatch(
      /^decision/,
    );
  });
});

describe("environment", () => {
  it("lets environment win over env_file, and the later file over the earlier", async () => {
    const pod = await podOf(service("env_file: [a.env, b.env]\nenvironment: {A: own}"), {
      files: { "a.env": "A=1\nB=1\nC='q u'\n", "b.env": "B=2\n" },
    });
    expect(pod.containers[0]).toMatchObject({
      env: [{ name: "A", value: "own" }],
      envFrom: [{ configMapRef: { name: "a-env" } }, { configMapRef: { name: "b-env" } }],
    });
    expect(pod.migration.file("k8s/base/config/a-env.env")).toBe("C=q u\n");
    expect(pod.migration.file("k8s/base/config/b-env.env")).toBe("B=2\n");
  });

  it("shares a file among services, each with its own overrides", async () => {
    const migration = await convertText(
      "services:\n  a: {image: i, env_file: [x.env], environment: {K: own}}\n  b: {image: i, env_file: [x.env]}\n",
      { files: { "x.env": "K=1\nL=2\n" } },
    );
    expect(migration.file("k8s/base/config/x-env.env").split("\n").sort()).toEqual(["", "K=1", "L=2"]);
  });

  it("keeps files of one name apart", async () => {
    const migration = await convertText(
      "services:\n  a: {image: i, env_file: [a/.env]}\n  b: {image: i, env_file: [b/.env]}\n",
      { files: { "a/.env": "K=1\n", "b/.env": "K=2\n" } },
    );
    expect(migration.file("k8s/base/config/env.env")).toBe("K=1\n");
    expect(migration.file("k8s/base/config/env-2.env")).toBe("K=2\n");
  });

  it("keeps what looks secret out of the base, the report and the repository", async () => {
    const migration = await convertText(
      service("environment: {DB_PASSWORD: hunter2, URL: 'http://u:hunter2@x/', DB_PASSWORD_FILE: /p}"),
    );
    const holding = migration.files.filter(({ content }) =>
      Buffer.from(content).toString().includes("hunter2"),
    );
    expect(holding.map(({ path, secret }) => [path, secret])).toEqual([
      ["k8s/overlays/dev/secrets/web-secrets.env", true],
    ]);
    expect(migration.file("k8s/overlays/dev/secrets/web-secrets.env.example")).toBe(
      "DB_PASSWORD=change-me\nURL=change-me\n",
    );
    expect(migration.file("k8s/.gitignore")).toContain("/overlays/*/secrets/**");
  });

  it("writes a secret of several lines into a file of its own", async () => {
    const migration = await convertText(service('environment: {TLS_PRIVATE_KEY: "a\\nb\\n"}'));
    expect(migration.file("k8s/overlays/dev/secrets/web-secrets/TLS_PRIVATE_KEY")).toBe("a\nb\n");
  });

  it("leaves out a name that is set nowhere, and says so", async () => {
    const pod = await podOf(service("environment: [NOWHERE, HERE]"), { env: { HERE: "yes" } });
    expect(pod.containers[0]).toMatchObject({ env: [{ name: "HERE", value: "yes" }] });
    expect(pod.migration.told("services.web.environment.NOWHERE")).toMatch(/^converted: .*set nowhere/);
  });
});

describe("names", () => {
  it("rewrites a name that is no DNS name where it stands as a whole host name", async () => {
    const migration = await convertText(`services:
  web:
    image: web
    command: [wait, "my_db:5432", --host=my_db]
    environment: {DB_HOST: my_db, URL: "postgres://u@my_db/my_db", DB_NAME: my_db, OTHER: my_db_2}
  my_db: {image: db}
`);
    const [container] = (
      parse(migration.file("k8s/base/web/deployment.yaml")) as { spec: { template: { spec: Pod } } }
    ).spec.template.spec.containers;
    expect(container).toMatchObject({
      args: ["wait", "my-db:5432", "--host=my-db"],
      env: [
        { name: "DB_HOST", value: "my-db" },
        { name: "URL", value: "postgres://u@my-db/my_db" },
        { name: "DB_NAME", value: "my_db" },
        { name: "OTHER", value: "my_db_2" },
      ],
    });
    expect(migration.told("services.web.environment.DB_NAME")).toMatch(/^decision/);
    expect(migration.told("services.web.environment.URL")).toMatch(/^approximated/);
    expect(parse(migration.file("k8s/base/my-db/service.yaml"))).toMatchObject({
      metadata: { name: "my-db" },
      spec: { ports: [{ port: 5432 }] },
    });
  });

  it("gives two services that would be called the same names of their own", async () => {
    const migration = await convertText(
      "services:\n  a_b: {image: x}\n  a-b: {image: y}\n  A.b: {image: z}\n",
    );
    const names = migration.files.flatMap(
      ({ path }) => /^k8s\/base\/([^/]+)\/deployment.yaml/.exec(path)?.[1] ?? [],
    );
    expect(names.sort()).toEqual(["a-b", "a-b-2", "a-b-3"]);
  });

  it("makes a Service of every other name: container_name, hostname, aliases, links", async () => {
    const migration = await convertText(`services:
  db: {image: db, container_name: shop-db, hostname: dbhost, expose: ["5432"], networks: {default: {aliases: [database, bad_alias]}}}
  web: {image: web, links: ["db:store"]}
`);
    const services = migration.files
      .filter(({ path }) => /^k8s\/base\/db\/service/.test(path))
      .map(({ path }) => path.slice(12));
    expect(services).toEqual([
      "service-database.yaml",
      "service-dbhost.yaml",
      "service-shop-db.yaml",
      "service-store.yaml",
      "service.yaml",
    ]);
  });
});

describe("names of several services, and names that change", () => {
  it("gives one name of several services the addresses of all", async () => {
    const migration = await convertText(`services:
  one: {image: x, networks: {default: {aliases: [search]}}}
  two: {image: x, networks: {default: {aliases: [search, one]}}}
  web: {image: x, links: ["one:my_search"]}
`);
    expect(parse(migration.file("k8s/base/shared/service-search.yaml"))).toMatchObject({
      spec: { clusterIP: "None", selector: { "alias.devloop.dev/search": "true" } },
    });
    for (const name of ["one", "two"])
      expect(parse(migration.file(`k8s/base/${name}/deployment.yaml`))).toMatchObject({
        spec: { template: { metadata: { labels: { "alias.devloop.dev/search": "true" } } } },
      });
    expect(migration.told("services.two.networks.default.aliases")).toMatch(/^decision: one: a service/);
    expect(migration.told("services.web.links.0")).toMatch(
      /^approximated: no Service can be called my_search/,
    );
  });

  it("tells of a service that gets another name, and of what may still hold the old one", async () => {
    const migration = await convertText(
      `services:
  My.App: {image: x, volumes: ["./app.conf:/etc/app.conf:ro"], configs: [c]}
  web: {image: x, environment: {NAMES: "My.App,other", JSON: '{"host":"My.App"}', PORT: "My.Apps"}}
configs: {c: {content: "to My.App:80"}}
`,
      { files: { "app.conf": "server My.App;\n" } },
    );
    expect(migration.told("services.My.App")).toMatch(/^approximated: called my-app/);
    expect(migration.told("services.web.environment.NAMES")).toMatch(/^decision: is it the host My.App/);
    expect(migration.told("services.web.environment.JSON")).toMatch(/^decision/);
    expect(migration.told("services.web.environment.PORT")).toBe("converted: env of the container");
    expect(migration.told("services.My.App.volumes.0")).toMatch(/^decision: app.conf: is My.App/);
    expect(migration.told("configs.c.content")).toMatch(/^decision: is My.App/);
  });
});

describe("binds of their own kind", () => {
  it("does not copy a file that is a link to outside the project", async () => {
    const cwd = scratchProject({ "compose.yaml": service('volumes: ["./hosts.conf:/etc/h.conf:ro"]') });
    symlinkSync("/etc/hosts", join(cwd, "hosts.conf"));
    const { told, files } = await convertDirectory(cwd);
    expect(told("services.web.volumes.0")).toMatch(/^decision: a link to outside the project/);
    expect(files.filter(({ path }) => path.includes("hosts.conf"))).toEqual([]);
  });

  it("tells of sources inside a volume, which would keep the old ones", async () => {
    const lines = 'build: .\nvolumes: ["data:/app", "./src:/app/src"]';
    const { told } = await convertText(service(lines, "volumes: {data: {}}\n"), {
      files: { Dockerfile: "FROM x\nCOPY . /app\n", "src/a.js": "" },
    });
    expect(told("services.web.volumes.1")).toMatch(/^decision: a sync rule, but \/app is a volume/);
  });
});

describe("volumes of another service", () => {
  it("are mounted at the same paths, with the same claims and files", async () => {
    const pod = await podOf(
      `services:
  web: {image: w, volumes_from: ["db:ro", mid], volumes: [own:/own]}
  mid: {image: m, volumes_from: [db], volumes: ["./app.conf:/etc/app.conf:ro", "data:/other", "/anonymous"]}
  db: {image: d, volumes: ["data:/data", "shadow:/own"]}
volumes: {data: {}, own: {}, shadow: {}}
`,
      { files: { "app.conf": "x" } },
    );
    expect(pod.containers[0]!["volumeMounts"]).toEqual([
      { name: "own", mountPath: "/own" },
      { name: "data", mountPath: "/data", readOnly: true },
      { name: "mid-app-conf", mountPath: "/etc/app.conf", subPath: "app.conf", readOnly: true },
      { name: "data", mountPath: "/other" },
    ]);
    expect(pod["volumes"]).toHaveLength(3);
    expect(pod.migration.told("services.web.volumes_from.0")).toMatch(/^converted: mounts \/data as db does/);
    expect(pod.migration.told("services.web.volumes_from.1")).toMatch(/^decision: .*\/anonymous of mid/);
  });
});

describe("ports", () => {
  it("gives the Service the container's port, and the published one to a forward", async () => {
    const migration = await convertText(
      service('ports: ["127.0.0.1:15432:5432", "0.0.0.0:81:80", "9000-9001:9000-9001", "53:53/udp", "7000"]'),
    );
    const { spec } = parse(migration.file("k8s/base/web/service.yaml")) as {
      spec: { ports: { port: number; protocol: string }[] };
    };
    expect(spec.ports.map(({ port, protocol }) => `${port}/${protocol}`)).toEqual([
      "5432/TCP",
      "80/TCP",
      "9000/TCP",
      "9001/TCP",
      "53/UDP",
      "7000/TCP",
    ]);
    expect(parse(migration.file("devloop.yaml"))).toMatchObject({
      forwards: [
        { service: "web", local: 15432, remote: 5432 },
        { service: "web", local: 8081, remote: 80, host: "0.0.0.0" },
        { service: "web", local: 9000, remote: 9000 },
        { service: "web", local: 9001, remote: 9001 },
        { service: "web", remote: 7000 },
      ],
    });
    expect(migration.told("services.web.ports.4.published")).toMatch(/^decision: .*TCP only/);
  });

  it("forwards from a port that takes no privileges", async () => {
    const { file, told } = await convertText(service("ports: ['80:8080', '8080:9000', '443:443']"));
    expect((parse(file("devloop.yaml")) as { forwards: { local: number }[] }).forwards).toMatchObject([
      { local: 8081 },
      { local: 8080 },
      { local: 8443 },
    ]);
    expect(told("services.web.ports.0.published")).toMatch(/^approximated: a forward from 8081/);
  });

  it("counts a port that is exposed and published once", async () => {
    const migration = await convertText(service('ports: ["80:80"]\nexpose: ["80", "81-82"]'));
    const { spec } = parse(migration.file("k8s/base/web/service.yaml")) as {
      spec: { ports: { port: number }[] };
    };
    expect(spec.ports.map(({ port }) => port)).toEqual([80, 81, 82]);
  });

  const serviceOf = async (text: string, choices: Choices = {}): Promise<unknown> =>
    (
      parse((await convertText(text, choices)).file("k8s/base/web/service.yaml")) as {
        readonly spec: unknown;
      }
    ).spec;
  const everyPort = { clusterIP: "None", publishNotReadyAddresses: true };

  it("reaches every port of an image that is only pulled, whatever is known of it", async () => {
    expect(await serviceOf(service("restart: always"))).toEqual({
      ...everyPort,
      selector: { "app.kubernetes.io/name": "web" },
    });
    expect(await serviceOf(service("ports: ['80:80']"))).toMatchObject({
      ...everyPort,
      ports: [{ port: 80 }],
    });
  });

  it.each([
    ["what devloop builds, since its pods come and go", "build: .\nports: ['80:80']", false],
    ["what devloop builds, without a known port", "build: .", true],
    ["endpoint_mode: vip", "ports: ['80:80']\ndeploy: {endpoint_mode: vip}", false],
    ["endpoint_mode: dnsrr", "build: .\nports: ['80:80']\ndeploy: {endpoint_mode: dnsrr}", true],
    ["a LoadBalancer", "ports: ['80:80']\nlabels: {kompose.service.type: LoadBalancer}", false],
    ["an Ingress", "ports: ['80:80']\nlabels: {kompose.service.expose: 'true'}", false],
    ["a StatefulSet", "build: .\nports: ['80:80']\nlabels: {kompose.controller.type: statefulset}", true],
  ])("has an address of its own or those of its pods: %s", async (_, lines, headless) => {
    const spec = await serviceOf(service(lines));
    if (headless) expect(spec).toMatchObject({ clusterIP: "None" });
    else expect(spec).not.toHaveProperty("clusterIP");
  });

  it("knows ports from peers' URLs and mounted files, and from the Dockerfile", async () => {
    const peers = `  proxy: {image: nginx, volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"], configs: [prom]}
  app: {image: a, environment: {A: "http://web", B: "amqp://u:p@web/vhost", C: "postgresql+asyncpg://web/d", D: "http://web2:1/"}}
configs: {prom: {content: "targets: [web:9464]"}}
`;
    const spec = await serviceOf(service("build: .", peers), {
      files: {
        "nginx.conf": "upstream x { server web:3000; }",
        Dockerfile: "FROM x\nEXPOSE 4000 5000-5001/udp\n",
      },
    });
    expect(
      (spec as { readonly ports: readonly { readonly port: number }[] }).ports.map(({ port }) => port),
    ).toEqual([4000, 5000, 5001, 80, 3000, 5432, 5672, 9464]);
  });

  it("knows ports from the sources of peers, and tells where they stand", async () => {
    const migration = await convertText(
      service("build: ./web\nports: ['80:80']", "  app: {build: ./app}\n"),
      {
        files: {
          "web/Dockerfile": "FROM x\n",
          "app/Dockerfile": "FROM web:5000\n",
          "app/main.py": "import requests\n\nrequests.get(f'http://web:5001/{name}')\n",
        },
      },
    );
    const { spec } = parse(migration.file("k8s/base/web/service.yaml")) as {
      readonly spec: { readonly ports: readonly { readonly port: number }[] };
    };
    expect(spec.ports.map(({ port }) => port)).toEqual([80, 5001]);
    expect(migration.told("services.web.build")).toContain(
      "peers reach port 80, 5001 (as app/main.py:3 dials it) of Service web alone: name any other under expose",
    );
    expect(migration.told("services.app.build")).toContain("no port of it is known, so Service app gives");
  });

  it("finds itself by name before it is ready, where its health check asks so", async () => {
    const lines = "build: .\nports: ['80:80']\nhealthcheck: {test: 'curl -f http://web/'}";
    expect(await serviceOf(service(lines))).toMatchObject({ publishNotReadyAddresses: true });
  });
});

describe("health checks", () => {
  const check = "healthcheck: {test: curl -f localhost || exit 1, interval: 1500ms, start_period: 30s}";

  it("makes a readiness probe alone, with Docker's defaults, and asks often in development", async () => {
    const pod = await podOf(service(check));
    expect(pod.containers[0]).toMatchObject({
      readinessProbe: {
        exec: { command: ["/bin/sh", "-c", "curl -f localhost || exit 1"] },
        periodSeconds: 2,
        timeoutSeconds: 30,
        failureThreshold: 3,
      },
    });
    expect(pod.containers[0]).not.toHaveProperty("livenessProbe");
    const slow = await convertText(service('healthcheck: {test: [CMD, "true"]}'));
    expect(slow.file("k8s/overlays/dev/patches/web-deployment.yaml")).toContain("periodSeconds: 2");
  });

  it("adds liveness and startup probes when asked to, without a delay at every start", async () => {
    const container = await containerOf(service(check), { probes: "full" });
    expect(container).toMatchObject({
      livenessProbe: { periodSeconds: 2 },
      startupProbe: { periodSeconds: 5, failureThreshold: 9 },
    });
    expect(JSON.stringify(container)).not.toContain("initialDelaySeconds");
  });

  it.each(["{test: [NONE]}", '{test: ["NONE"], interval: 1s}', "{disable: true}", "{interval: 5s}"])(
    "makes no probe of %s",
    async (text) => {
      expect(await containerOf(service(`healthcheck: ${text}`))).not.toHaveProperty("readinessProbe");
    },
  );
});

describe("secrets and configs", () => {
  it("mounts all secrets as one volume, without the account's token that lies below it", async () => {
    const pod = await podOf(
      service(
        "secrets: [one, {source: two, target: other, mode: 0400}]",
        "secrets: {one: {file: ./one.txt}, two: {environment: TWO}}\n",
      ),
      {
        files: { "one.txt": "1" },
        env: { TWO: "2" },
      },
    );
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      volumes: [
        {
          name: "secrets",
          projected: {
            defaultMode: 0o444,
            sources: [
              { secret: { name: "secret-one", items: [{ key: "one.txt", path: "one" }] } },
              { secret: { name: "secret-two", items: [{ key: "two", path: "other", mode: 0o400 }] } },
            ],
          },
        },
      ],
    });
    expect(pod.migration.file("k8s/overlays/dev/secrets/secret-two/two")).toBe("2");
  });

  it("mounts a config by itself, for a Job too", async () => {
    const text = service(
      "restart: 'no'\nconfigs: [{source: app, target: /etc/app.conf}]",
      "configs: {app: {content: hello}}\n",
    );
    const pod = await podOf(text, {}, "web", "job");
    expect(pod.containers[0]).toMatchObject({
      volumeMounts: [{ mountPath: "/etc/app.conf", subPath: "app.conf" }],
    });
    expect(pod.migration.file("k8s/base/config/config-app/app")).toBe("hello");
  });
});

describe("volumes", () => {
  it("keeps two pods from one volume: Recreate, and no rollingUpdate beside it", async () => {
    const migration = await convertText(
      service(
        "volumes: ['data:/data']\ndeploy: {update_config: {order: start-first}}",
        "volumes: {data: }\n",
      ),
    );
    const { spec } = parse(migration.file("k8s/base/web/deployment.yaml")) as {
      spec: Record<string, unknown>;
    };
    expect(spec["strategy"]).toEqual({ type: "Recreate" });
    expect(migration.told("services.web.deploy.update_config.order")).toMatch(/^dropped/);
  });

  it.each([
    ["'data:/data'", true],
    ["{type: volume, source: data, target: /data, volume: {nocopy: true}}", false],
    ["'data:/data:ro'", false],
  ])("copies what the image has into %s: %s", async (volume, copies) => {
    const pod = await podOf(service(`volumes: [${volume}]`, "volumes: {data: }\n"));
    expect(pod["initContainers"] !== undefined).toBe(copies);
    expect(/needs a shell/.test(pod.migration.told("services.web.volumes.0.source") ?? "")).toBe(copies);
  });

  it("makes a sync rule of sources under the build context, and lets the image keep node_modules", async () => {
    const text = "services:\n  web:\n    build: web\n    volumes: ['./web:/app', '/app/node_modules']\n";
    const pod = await podOf(text, {
      files: { "web/Dockerfile": "FROM node\nCOPY . /app\n", "web/a.js": "1" },
    });
    expect(pod["volumes"]).toBeUndefined();
    expect(parse(pod.migration.file("devloop.yaml"))).toMatchObject({
      images: { "app-web": { context: "web", sync: [{ src: ".", dest: "/app", ignore: ["node_modules"] }] } },
    });
  });

  it("asks for a COPY where the sources are only mounted", async () => {
    const text = "services:\n  web:\n    build: web\n    volumes: ['./web:/app']\n";
    const files = { "web/Dockerfile": "FROM node\nCOPY --from=x /a /b\nWORKDIR /app\n", "web/a.js": "1" };
    expect((await convertText(text, { files })).told("services.web.volumes.0.source")).toMatch(
      /^decision: .*add COPY/,
    );
  });

  it("builds an image of its own where sources are mounted over one that is pulled", async () => {
    const pod = await podOf("services:\n  web: {image: 'node:20', volumes: ['./src:/app/src']}\n", {
      files: { "src/a.js": "1" },
    });
    expect(pod.containers[0]).toMatchObject({ image: "app-web" });
    expect(parse(pod.migration.file("devloop.yaml"))).toMatchObject({
      images: {
        "app-web": {
          context: "src",
          dockerfileInline: 'FROM node:20\nCOPY [".","/app/src/"]\n',
          sync: [{ src: ".", dest: "/app/src" }],
        },
      },
    });
  });

  it("keeps secrets, git and manifests out of an image that is made of the project's directory", async () => {
    const { file, told } = await convertText("services:\n  web: {image: 'node:20', volumes: ['.:/app']}\n", {
      files: { "a.js": "1", ".env": "PASSWORD=x" },
    });
    const ignore = ["**/.git", "**/.env*", "k8s", "devloop.yaml", "MIGRATION.md"];
    expect(parse(file("devloop.yaml"))).toMatchObject({
      images: { "app-web": { context: ".", ignore, sync: [{ src: ".", dest: "/app", ignore }] } },
    });
    expect(told("services.web.volumes.0.source")).toContain("are left out");
  });

  it.each([
    [".", ["k8s", "devloop.yaml", "MIGRATION.md"]],
    ["web", undefined],
  ])("leaves what it writes out of the context %s", async (context, ignore) => {
    const { file } = await convertText(`services:\n  web: {build: ${context}}\n`, {
      files: { [`${context}/Dockerfile`]: "FROM node\nCOPY . /app\n" },
    });
    const { images } = parse(file("devloop.yaml")) as { images: Record<string, { ignore?: string[] }> };
    expect(images["app-web"]?.ignore).toEqual(ignore);
  });

  it("copies nothing that a link brings from outside the directory, and tells it", async () => {
    const outside = scratchProject({ "id_rsa.txt": "private" });
    const cwd = scratchProject({
      "compose.yaml": service("volumes: ['./conf:/etc/conf:ro']"),
      "conf/a.conf": "a",
    });
    symlinkSync(join(outside, "id_rsa.txt"), join(cwd, "conf/stolen.conf"));
    symlinkSync("a.conf", join(cwd, "conf/inside.conf"));
    const { files, told } = await convertDirectory(cwd);
    const copies = files.map(({ path }) => path).filter((path) => path.includes("/config/"));
    expect(copies.map((path) => basename(path)).sort()).toEqual(["a.conf", "inside.conf"]);
    expect(told("services.web.volumes.0.source")).toMatch(/^decision: not copied.*stolen\.conf/);
  });

  it("shares no process namespace where a hook signals process 1", async () => {
    const pod = await podOf(service("init: true\nstop_signal: SIGQUIT"));
    expect(pod).not.toHaveProperty("shareProcessNamespace");
    expect(pod.migration.told("services.web.init")).toMatch(/^decision: /);
  });

  it("makes a ConfigMap of a file and of a small directory that is read, a Secret of a key", async () => {
    const migration = await convertText(
      service(
        "volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro', './conf:/etc/conf:ro', './tls.key:/tls.key']",
      ),
      {
        files: { "nginx.conf": "a", "conf/sub/b.conf": "b", "tls.key": "k" },
      },
    );
    expect(migration.file("k8s/base/config/web-nginx-conf/nginx.conf")).toBe("a");
    expect(migration.file("k8s/base/config/web-conf/sub__b.conf")).toBe("b");
    expect(migration.file("k8s/overlays/dev/secrets/web-tls-key/tls.key")).toBe("k");
    expect(migration.file("k8s/base/web/deployment.yaml")).toContain("path: sub/b.conf");
  });

  it("asks about what lies outside the project, unless told to mount the node's path in development", async () => {
    const text = service("volumes: ['/var/run/docker.sock:/var/run/docker.sock']");
    expect((await convertText(text)).told("services.web.volumes.0.source")).toMatch(/^decision/);
    const mounted = await convertText(text, { hostMounts: true });
    expect(mounted.file("k8s/base/web/deployment.yaml")).not.toContain("hostPath");
    expect(mounted.file("k8s/overlays/dev/patches/web-deployment.yaml")).toContain("hostPath");
  });

  it("keeps the size of a tmpfs in both of its forms, and of /dev/shm", async () => {
    const pod = await podOf(
      service(
        "tmpfs: ['/run:size=64m,mode=755']\nshm_size: 1g\nvolumes: [{type: tmpfs, target: /t, tmpfs: {size: 1048576}}]",
      ),
    );
    const sizes = (pod["volumes"] as { emptyDir: { sizeLimit: string } }[]).map(
      ({ emptyDir }) => emptyDir.sizeLimit,
    );
    expect(sizes).toEqual(["1Mi", "64Mi", "1Gi"]);
    expect(pod.migration.told("services.web.tmpfs.0")).toBe(
      "approximated: an emptyDir in memory, without mode=755",
    );
  });
});

describe("workloads", () => {
  it.each([
    ["restart: always", "deployment"],
    ["command: [x]", "deployment"],
    ["restart: 'no'", "job"],
    ["restart: 'no'\nports: ['80:80']", "deployment"],
    ["restart: on-failure:3", "deployment"],
    ["deploy: {mode: replicated-job}", "job"],
    ["deploy: {mode: global}", "daemonset"],
    ["labels: {kompose.controller.type: statefulset}", "statefulset"],
    ["labels: {kompose.cronjob.schedule: '* * * * *'}", "cronjob"],
  ])("makes of %s a %s", async (lines, kind) => {
    expect((await convertText(service(lines))).files.map(({ path }) => path)).toContain(
      `k8s/base/web/${kind}.yaml`,
    );
  });

  it("makes a Job of what others wait for to complete, tried as often as it says", async () => {
    const migration = await convertText(`services:
  migrate: {image: m, restart: "on-failure:3"}
  web: {image: w, depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}, cache: {condition: service_started}}}
  db: {image: d, healthcheck: {test: [CMD, "true"]}}
  cache: {image: c}
`);
    expect(parse(migration.file("k8s/base/migrate/job.yaml"))).toMatchObject({
      spec: { backoffLimit: 3, template: { spec: { restartPolicy: "OnFailure" } } },
    });
    expect(parse(migration.file("devloop.yaml"))).toMatchObject({
      order: { web: { migrate: "completed", db: "ready", cache: "started" } },
    });
  });

  it("waits by init containers when asked to, with rights of their own and a token for them alone", async () => {
    const pod = await podOf(
      "services:\n  web: {image: w, depends_on: {db: {condition: service_healthy}}}\n  db: {image: d}\n",
      { waitInitContainers: true },
    );
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      serviceAccountName: "devloop-wait",
      initContainers: [
        { name: "find-db", command: ["kubectl", "wait", "deployment/db", "--for=create", "--timeout=10m"] },
        { name: "wait-for-db", command: ["kubectl", "rollout", "status", "deployment/db", "--timeout=10m"] },
      ],
    });
    expect(JSON.stringify(pod.containers)).not.toContain("devloop-wait-token");
  });

  it("waits for what may have ended by now, and for nothing that does not start", async () => {
    const pod = await podOf(
      `services:
  web: {image: w, depends_on: [once, db, none]}
  once: {image: o, restart: "no"}
  db: {image: d}
  none: {image: n, scale: 0}
`,
      { waitInitContainers: true },
    );
    const commands = (pod["initContainers"] as readonly { readonly command: readonly string[] }[]).map(
      ({ command }) => command.slice(1, -1).join(" "),
    );
    expect(commands).toEqual([
      "wait job/once --for=create",
      "wait job/once --for=jsonpath={.status.startTime}",
      "wait pod --selector=app.kubernetes.io/name=db --for=create",
      "wait pod --selector=app.kubernetes.io/name=db --field-selector=status.phase!=Succeeded,status.phase!=Failed --for=jsonpath={.status.phase}=Running",
    ]);
  });

  it("takes scale and a zero for what they are", async () => {
    const replicas = async (lines: string) =>
      (
        parse((await convertText(service(lines))).file("k8s/base/web/deployment.yaml")) as {
          spec: { replicas: number };
        }
      ).spec.replicas;
    expect(await replicas("scale: 3")).toBe(3);
    expect(await replicas("deploy: {replicas: 0}")).toBe(0);
  });

  it("puts a service that shares another's network into its pod", async () => {
    const pod = await podOf(
      "services:\n  web: {image: w, ports: ['80:80']}\n  side: {image: s, network_mode: 'service:web', volumes: ['d:/d']}\nvolumes: {d: }\n",
    );
    expect(pod.containers.map(({ name }) => name)).toEqual(["web", "side"]);
    expect(pod.migration.files.filter(({ path }) => path.startsWith("k8s/base/side/"))).toEqual([]);
  });

  it("waits as long as Docker before it kills", async () => {
    expect((await podOf(service("tty: true")))["terminationGracePeriodSeconds"]).toBe(10);
    expect((await podOf(service("stop_grace_period: 1m30s")))["terminationGracePeriodSeconds"]).toBe(90);
  });
});

describe("what is empty", () => {
  it("is told as such, and loses nothing", async () => {
    const keys = [
      "dns: []",
      "ulimits: {}",
      "logging: {}",
      "ports: []",
      "environment: {}",
      "deploy: {}",
      "volumes: []",
    ];
    const { told, report } = await convertText(
      `${service([...keys, 'user: ""', "tmpfs: []", "networks: {n: }"].join("\n"))}networks: {n: {ipam: {config: []}}}\nvolumes: {v: {driver_opts: {}}, w: }\n`,
    );
    const paths = keys.map((key) => `services.web.${key.replace(/:.*/, "")}`);
    for (const path of [...paths, "networks.n.ipam", "volumes.v.driver_opts"])
      expect(told(path), path).toBe("converted: there is nothing in it");
    expect(told("services.web.user")).toBe("converted: empty: the image's own");
    expect(report.filter(({ outcome }) => outcome === "dropped" || outcome === "decision")).toEqual([]);
  });

  it("but an entrypoint that is taken away without a command is for a person", async () => {
    const { told } = await convertText(service("entrypoint: []"));
    expect(told("services.web.entrypoint")).toMatch(/^decision/);
  });
});

describe("profiles", () => {
  const text =
    "services:\n  web: {image: w}\n  a: {image: a, profiles: [one]}\n  b: {image: b, profiles: [one, two]}\n";

  it("makes a component of each set of profiles, and an overlay of each profile", async () => {
    const migration = await convertText(text);
    const paths = migration.files.map(({ path }) => path);
    expect(paths).toContain("k8s/components/profile-one/a/deployment.yaml");
    expect(paths).toContain("k8s/components/profile-one+two/b/deployment.yaml");
    expect(parse(migration.file("k8s/overlays/dev-profile-one/kustomization.yaml"))).toMatchObject({
      resources: ["../dev"],
      components: ["../../components/dev-profile-one", "../../components/dev-profile-one+two"],
    });
    expect(parse(migration.file("k8s/components/dev-profile-one/kustomization.yaml"))).toMatchObject({
      kind: "Component",
      components: ["../profile-one"],
      patches: [{ path: "patches/a-deployment.yaml" }],
    });
    expect(parse(migration.file("devloop.yaml"))).toMatchObject({
      profiles: { one: { deploy: [{ kustomize: "k8s/overlays/dev-profile-one" }] } },
    });
  });

  const several = `services:
  web: {image: w, ports: ["1080:80"], depends_on: {a: {condition: service_started, required: false}}}
  a: {image: a, profiles: [one], ports: ["1081:80"], environment: {API_TOKEN: x}, depends_on: {c: {condition: service_started, required: false}}}
  b: {image: b, profiles: [one, two]}
  c: {image: c, profiles: [two], ports: ["1082:80"]}
`;

  it("makes an overlay of profiles that are on together, and a profile that comes on with them", async () => {
    const migration = await convertText(several);
    const { profiles } = parse(migration.file("devloop.yaml")) as {
      readonly profiles: Readonly<Record<string, { readonly order?: unknown }>>;
    };
    expect(Object.keys(profiles)).toEqual(["one", "two", "one-and-two"]);
    expect(profiles["one"]?.order).toEqual({ web: { a: "started" } });
    expect(profiles["two"]?.order).toBeUndefined();
    expect(profiles["one-and-two"]).toEqual({
      activation: [{ profiles: ["one", "two"] }],
      order: { web: { a: "started" }, a: { c: "started" } },
      deploy: [{ kustomize: "k8s/overlays/dev-profile-one+two" }],
      forwards: ["web", "a", "c"].map((service, index) => ({ service, local: 1080 + index, remote: 80 })),
    });
    expect(parse(migration.file("k8s/overlays/dev-profile-one+two/kustomization.yaml"))).toMatchObject({
      components: ["one", "one+two", "two"].map((group) => `../../components/dev-profile-${group}`),
    });
  });

  it("makes overlays of all sets of four profiles, and of single ones alone where there are more", async () => {
    const overlaysOf = async (...names: string[]): Promise<number> => {
      const services = names.map((name) => `  ${name}: {image: x, profiles: [${name}]}\n`);
      const { files } = await convertText(`services:\n  w: {image: w}\n${services.join("")}`);
      return files.filter(({ path }) => /dev-profile-[^/]*\/kustom/.test(path) && path.includes("overlays"))
        .length;
    };
    expect(await overlaysOf("a", "b", "c", "d")).toBe(15);
    expect(await overlaysOf("a", "b", "c", "d", "e")).toBe(5);
  });

  it("writes nothing outside, whatever a profile is called", async () => {
    const { files } = await convertText(
      "services:\n  w: {image: w}\n  x: {image: w, profiles: ['../../../x']}\n",
    );
    expect(files.length).toBeGreaterThan(8);
    for (const { path } of files) expect(path).not.toMatch(/\.\.\//);
  });

  it("takes the services of a profile that was asked for into every overlay", async () => {
    const migration = await convertText(text, { profiles: ["two"] });
    expect(parse(migration.file("k8s/overlays/dev/kustomization.yaml"))).toMatchObject({
      components: ["../../components/profile-one+two"],
    });
  });
});
