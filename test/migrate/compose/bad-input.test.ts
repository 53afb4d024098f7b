import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DevloopError } from "../../../src/lib/errors.js";
import { loadCompose, type LoadComposeOptions } from "../../../src/migrate/compose/load.js";

type Files = string | Buffer | Readonly<Record<string, string | Buffer>>;

/** What loading throws; the text is compose.yaml's unless files are named. */
async function failure(files: Files, options: Partial<LoadComposeOptions> = {}): Promise<DevloopError> {
  const cwd = await mkdtemp(join(tmpdir(), "compose-bad-"));
  try {
    for (const [name, text] of Object.entries(
      typeof files === "string" || Buffer.isBuffer(files) ? { "compose.yaml": files } : files,
    )) {
      await mkdir(dirname(join(cwd, name)), { recursive: true });
      await writeFile(join(cwd, name), text);
    }
    const { signal } = new AbortController();
    return await loadCompose({ cwd, env: { EMPTY: "" }, ...options }, { signal }).then(
      () => expect.unreachable("it loaded"),
      (error: unknown) => error as DevloopError,
    );
  } finally {
    await rm(cwd, { recursive: true });
  }
}

const plain = "services: { web: { image: a } }\n";
const web = (keys: string): string => `services: { web: { image: a, ${keys} } }\n`;
/** Ten million values, if nothing stops it. */
const bomb = [
  `x-0: &x0 [${"a,".repeat(10)}]\n`,
  ...[1, 2, 3, 4, 5, 6, 7].map((level) => `x-${level}: &x${level} [${`*x${level - 1},`.repeat(10)}]\n`),
  plain,
].join("");

describe("what is wrong with compose files is said with its place", () => {
  const cases: readonly (readonly [
    what: string,
    files: Files,
    message: string,
    more?: { readonly options?: Partial<LoadComposeOptions>; readonly code?: string },
  ])[] = [
    [
      "unknown key at the top, with a near one",
      "service:\n  web: { image: a }\n",
      'compose.yaml:1:1 unknown key "service" — did you mean "services"?',
    ],
    ["unknown key at the top, with none near", "things: {}\n", 'compose.yaml:1:1 unknown key "things"'],
    [
      "unknown key of a service",
      "services:\n  web:\n    image: a\n    enviroment: {}\n",
      'compose.yaml:4:5 unknown key "enviroment" in services.web — did you mean "environment"?',
    ],
    [
      "unknown key of a build",
      web("build: { contxt: . }"),
      'compose.yaml:1:39 unknown key "contxt" in services.web.build — did you mean "context"?',
    ],
    [
      "key of an old version",
      web("log_driver: syslog"),
      'compose.yaml:1:30 unknown key "log_driver" in services.web',
    ],
    [
      "unknown key of a port",
      web("ports: [{ target: 80, publish: 80 }]"),
      'compose.yaml:1:52 unknown key "publish" in services.web.ports[0] — did you mean "published"?',
    ],
    [
      "unknown key of a network",
      "services: { web: { image: a } }\nnetworks: { n: { drivers: x } }\n",
      'compose.yaml:2:18 unknown key "drivers" in networks.n — did you mean "driver"?',
    ],
    [
      "unknown key of a volume",
      "services: { web: { image: a } }\nvolumes: { n: { external_name: x } }\n",
      'compose.yaml:2:17 unknown key "external_name" in volumes.n',
    ],
    [
      "several at once",
      "services:\n  web:\n    imag: a\n    port: [80]\n  db:\n    image: 5\n",
      'compose.yaml:3:5 unknown key "imag" in services.web — did you mean "image"?',
    ],
    [
      "a service that is nothing",
      "services:\n  web:\n",
      "compose.yaml:2:3 services.web: expected a map of keys, got nothing",
    ],
    [
      "a service that is a list",
      "services: { web: [a] }\n",
      "compose.yaml:1:18 services.web: expected a map of keys, got a list",
    ],
    ["services as a list", "services: [web]\n", "compose.yaml:1:11 services: expected a map, got a list"],
    ["the top level as a list", "- a\n- b\n", "compose.yaml:1:1 the top level must be a map of keys"],
    ["an empty file", "", "compose.yaml has nothing in it"],
    ["a file of comments", "# nothing here\n", "compose.yaml has nothing in it"],
    [
      "text for a list",
      web('ports: "80:80"'),
      'compose.yaml:1:37 services.web.ports: expected a list, got text "80:80"',
    ],
    [
      "number for text",
      web("hostname: 5"),
      "compose.yaml:1:40 services.web.hostname: expected text, got the number 5",
    ],
    [
      "a list for text",
      web("hostname: [a]"),
      "compose.yaml:1:40 services.web.hostname: expected text, got a list",
    ],
    [
      "a map for a list",
      web("ports: { a: b }"),
      "compose.yaml:1:37 services.web.ports: expected a list, got a map",
    ],
    [
      "nothing for text",
      web("hostname: "),
      "compose.yaml:1:30 services.web.hostname: expected text, got nothing",
    ],
    [
      "text for a flag",
      web("privileged: maybe"),
      'compose.yaml:1:42 services.web.privileged: expected true or false, got text "maybe"',
    ],
    [
      "text for a number",
      web("scale: many"),
      'compose.yaml:1:37 services.web.scale: expected a whole number, got text "many"',
    ],
    [
      "a fraction for a whole number",
      web("scale: 1.5"),
      "compose.yaml:1:37 services.web.scale: expected a whole number, got the number 1.5",
    ],
    [
      "a number out of range",
      web("oom_score_adj: 2000"),
      "compose.yaml:1:45 services.web.oom_score_adj: 2000 must be at most 1000",
    ],
    [
      "a number below its least",
      web("cpu_count: -1"),
      "compose.yaml:1:41 services.web.cpu_count: -1 must be at least 0",
    ],
    [
      "a size that is none",
      web("mem_limit: 10 elephants"),
      'compose.yaml:1:41 services.web.mem_limit: expected a size, got text "10 elephants"',
    ],
    [
      "a time that is none",
      web("stop_grace_period: soon"),
      'compose.yaml:1:49 services.web.stop_grace_period: expected a time, got text "soon"',
    ],
    [
      "a time without a unit",
      web('healthcheck: { test: a, interval: "10" }'),
      'compose.yaml:1:64 services.web.healthcheck.interval: expected a time, got text "10"',
    ],
    [
      "permission bits that are none",
      'services: { web: { image: a, secrets: [{ source: s, mode: "rw" }] } }\nsecrets: { s: { file: s } }\n',
      'compose.yaml:1:59 services.web.secrets[0].mode: expected permission bits, got text "rw"',
    ],
    [
      "a word that is not one of few",
      web("cgroup: hots"),
      'compose.yaml:1:38 services.web.cgroup: "hots" is not one of host, private — did you mean "host"?',
    ],
    [
      "an action that there is not",
      web("develop: { watch: [{ path: ., action: synk, target: /x }] }"),
      'compose.yaml:1:68 services.web.develop.watch[0].action: "synk" is not one of rebuild, sync, restart, sync+restart, sync+exec — did you mean "sync"?',
    ],
    [
      "a condition that there is not",
      web("depends_on: { web2: { condition: service_health } }"),
      'compose.yaml:1:63 services.web.depends_on.web2.condition: "service_health" is not one of service_started, service_healthy, service_completed_successfully — did you mean "service_healthy"?',
    ],
    [
      "a condition that is missing",
      web("depends_on: { web2: { restart: true } }"),
      'compose.yaml:1:50 services.web.depends_on.web2: "condition" is missing',
    ],
    [
      "a mount without a type",
      web("volumes: [{ source: a, target: /b }]"),
      'compose.yaml:1:40 services.web.volumes[0]: "type" is missing',
    ],
    [
      "a mount without a target",
      web("volumes: [{ type: volume, source: a }]"),
      "compose.yaml:1:40 services.web.volumes[0]: has no target",
    ],
    [
      "a mount with too many colons",
      web('volumes: ["data:/b:ro:x"]'),
      'compose.yaml:1:40 services.web.volumes[0]: "data:/b:ro:x" has too many colons',
    ],
    [
      "a mount with nothing between colons",
      web('volumes: ["data::ro"]'),
      'compose.yaml:1:40 services.web.volumes[0]: "data::ro" has nothing between its colons',
    ],
    [
      "a port that is none",
      web('ports: ["http:80"]'),
      'compose.yaml:1:38 services.web.ports[0]: "http" is not a port or a range of ports',
    ],
    [
      "a container port that is none",
      web('ports: ["80:http"]'),
      'compose.yaml:1:38 services.web.ports[0]: "http" is not a port or a range of ports',
    ],
    [
      "ranges of different lengths",
      web('ports: ["8000-8005:80-82"]'),
      'compose.yaml:1:38 services.web.ports[0]: "8000-8005" and "80-82" are ranges of different lengths',
    ],
    [
      "a protocol that there is not",
      web('ports: ["80:80/tcpp"]'),
      'compose.yaml:1:38 services.web.ports[0]: "tcpp" is not a protocol: tcp, udp, or sctp',
    ],
    [
      "an address that is none",
      web('ports: ["300.1.1.1:80:80"]'),
      'compose.yaml:1:38 services.web.ports[0]: "300.1.1.1" is not an IP address',
    ],
    [
      "a port above the last",
      web('ports: ["80:70000"]'),
      'compose.yaml:1:38 services.web.ports[0]: "70000" is not a port or a range of ports',
    ],
    [
      "the same item twice",
      web("security_opt: [a, a]"),
      "compose.yaml:1:48 services.web.security_opt[1]: stands in the list twice (first as item 0)",
    ],
    [
      "an invalid address in the long form",
      web("ports: [{ target: 80, host_ip: localhost }]"),
      'compose.yaml:1:61 services.web.ports[0]: "localhost" is not an IP address',
    ],
    [
      "a host without an address",
      web("extra_hosts: [somewhere]"),
      'compose.yaml:1:44 services.web.extra_hosts[0]: "somewhere" has no address',
    ],
    [
      "a variable with a space before =",
      web('environment: ["A =1"]'),
      "compose.yaml:1:44 services.web.environment[0]: has a space before its =",
    ],
    [
      "a map in environment",
      web("environment: { A: { B: 1 } }"),
      "compose.yaml:1:48 services.web.environment.A: expected text, got a map",
    ],
    [
      "an undefined network",
      web("networks: [front]"),
      "compose.yaml:1:41 services.web.networks: front is not defined in networks",
    ],
    [
      "an undefined network with a near one",
      "services: { web: { image: a, networks: [frnt] } }\nnetworks: { front: }\n",
      "compose.yaml:1:41 services.web.networks: frnt is not defined in networks — did you mean front?",
    ],
    [
      "an undefined volume",
      web('volumes: ["data:/data"]'),
      "compose.yaml:1:40 services.web.volumes[0]: data is not defined in volumes",
    ],
    [
      "an undefined secret",
      web("secrets: [token]"),
      "compose.yaml:1:40 services.web.secrets[0]: token is not defined in secrets",
    ],
    [
      "an undefined secret of a build",
      "services: { web: { build: { context: ., secrets: [token] } } }\n",
      "compose.yaml:1:51 services.web.build.secrets[0]: token is not defined in secrets",
    ],
    [
      "an undefined config",
      web("configs: [conf]"),
      "compose.yaml:1:40 services.web.configs[0]: conf is not defined in configs",
    ],
    [
      "an undefined model",
      web("models: [llm]"),
      "compose.yaml:1:39 services.web.models: llm is not defined in models",
    ],
    [
      "an undefined service in depends_on",
      web("depends_on: [db]"),
      "compose.yaml:1:43 services.web.depends_on: there is no service db",
    ],
    [
      "a service of a profile that is off",
      web("depends_on: [db] }, db: { image: b, profiles: [data]"),
      "compose.yaml:1:43 services.web.depends_on: service db is off, as its profiles are",
    ],
    [
      "an undefined service in network_mode",
      web('network_mode: "service:vpn"'),
      "compose.yaml:1:30 services.web.depends_on: there is no service vpn",
    ],
    [
      "an undefined service in links",
      web('links: ["db:database"]'),
      "compose.yaml:1:38 services.web.depends_on: there is no service db",
    ],
    [
      "services that depend on each other",
      "services:\n  a: { image: a, depends_on: [b] }\n  b: { image: b, depends_on: [c] }\n  c: { image: c, depends_on: [a] }\n",
      "compose.yaml:4:31 services depend on each other in a circle: a → b → c → a",
    ],
    [
      "a service that depends on itself",
      "services: { a: { image: a, depends_on: [a] } }\n",
      "compose.yaml:1:41 services depend on each other in a circle: a → a",
    ],
    [
      "neither image nor build",
      "services: { web: { command: a } }\n",
      "compose.yaml:1:18 services.web: has neither image nor build",
    ],
    [
      "network_mode and networks",
      web("network_mode: host, networks: [default]"),
      "compose.yaml:1:44 services.web: has network_mode and networks; only one can stand",
    ],
    [
      "scale and replicas that differ",
      web("scale: 2, deploy: { replicas: 3 }"),
      "compose.yaml:1:37 services.web: scale is 2 and deploy.replicas is 3; both must say the same",
    ],
    ["a scale below 0", web("scale: -1"), "compose.yaml:1:37 services.web.scale: must not be below 0"],
    [
      "mem_limit and deploy that differ",
      web("mem_limit: 1g, deploy: { resources: { limits: { memory: 2g } } }"),
      "compose.yaml:1:41 services.web: mem_limit and deploy.resources.limits.memory differ; both must say the same",
    ],
    [
      "cpus and deploy that differ",
      web('cpus: 1, deploy: { resources: { limits: { cpus: "2" } } }'),
      "compose.yaml:1:36 services.web: cpus and deploy.resources.limits.cpus differ; both must say the same",
    ],
    [
      "pids_limit and deploy that differ",
      web("pids_limit: 5, deploy: { resources: { limits: { pids: 6 } } }"),
      "compose.yaml:1:42 services.web: pids_limit and deploy.resources.limits.pids differ; both must say the same",
    ],
    [
      "container_name with replicas",
      web("container_name: only, deploy: { replicas: 2 }"),
      "compose.yaml:1:46 services.web: has container_name and deploy.replicas above 1, but such a name is one container's",
    ],
    [
      "two mounts at one place",
      web('tmpfs: [/run], volumes: ["/a:/run"]'),
      "compose.yaml:1:55 services.web.volumes[0]: /run is mounted already by tmpfs[0]",
    ],
    [
      "two Dockerfiles",
      web("build: { dockerfile: a, dockerfile_inline: FROM x }"),
      "compose.yaml:1:73 services.web.build: has dockerfile and dockerfile_inline; only one can stand",
    ],
    [
      "a platform that is not built",
      web("platform: linux/arm64, build: { platforms: [linux/amd64] }"),
      "compose.yaml:1:73 services.web.build.platforms: does not have the service's platform linux/arm64",
    ],
    [
      "a health check without a kind",
      web("healthcheck: { test: [curl, localhost] }"),
      'compose.yaml:1:52 services.web.healthcheck.test: must begin with CMD, CMD-SHELL or NONE, not "curl"',
    ],
    [
      "sync without a target",
      web("develop: { watch: [{ path: ., action: sync }] }"),
      "compose.yaml:1:49 services.web.develop.watch[0]: action sync needs a target",
    ],
    [
      "count and device_ids",
      web('gpus: [{ count: 1, device_ids: ["0"] }]'),
      "compose.yaml:1:61 services.web.gpus[0]: has count and device_ids; only one can stand",
    ],
    [
      "a secret from nowhere",
      "services: { web: { image: a } }\nsecrets: { s: {} }\n",
      "compose.yaml:2:15 secrets.s: needs one of file or environment",
    ],
    [
      "a config from two places",
      "services: { web: { image: a } }\nconfigs: { c: { file: a, content: b } }\n",
      "compose.yaml:2:35 configs.c: has file and content; only one can stand",
    ],
    [
      "an external volume with options",
      "services: { web: { image: a } }\nvolumes: { v: { external: true, driver: x } }\n",
      "compose.yaml:2:41 volumes.v: is external, so it cannot have driver",
    ],
    [
      "names of external that differ",
      "services: { web: { image: a } }\nnetworks: { n: { name: a, external: { name: b } } }\n",
      "compose.yaml:2:45 networks.n: name and external.name differ",
    ],
    [
      "a service name with a slash",
      'services: { "a/b": { image: a } }\n',
      'compose.yaml:1:13 "a/b" cannot be a name in services',
    ],
    [
      "a required variable that is not set",
      web('hostname: "${HOST:?who am I}"'),
      "compose.yaml:1:41 required variable HOST is not set: who am I",
    ],
    [
      "a required variable that is empty",
      web('hostname: "${EMPTY:?}"'),
      "compose.yaml:1:41 required variable EMPTY is not set",
    ],
    [
      "a reference that is none",
      web('hostname: "${1}"'),
      "compose.yaml:1:41 ${1} is not a reference to a variable",
    ],
    [
      "a reference that is not closed",
      web('hostname: "${HOST"'),
      "compose.yaml:1:41 ${HOST has no closing }",
    ],
    [
      "a default over two lines",
      "services:\n  web:\n    image: a\n    hostname: |\n      ${HOST:-a\n      b}\n",
      "compose.yaml:4:15 ${HOST:-a is not a reference to a variable",
    ],
    [
      "a command with an open quote",
      web('command: "echo \'a"'),
      "compose.yaml:1:39 services.web.command: quotes or parentheses are not in pairs",
    ],
    [
      "invalid YAML",
      "services:\n  web: [a\n",
      "compose.yaml:3:1 is not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    [
      "a tab for indentation",
      "services:\n\tweb: { image: a }\n",
      "compose.yaml:2:1 a tab cannot indent YAML; use spaces",
    ],
    [
      "the same key twice",
      "services:\n  web: { image: a }\n  web: { image: b }\n",
      'compose.yaml:3:3 the key "web" stands here twice',
    ],
    ["a key that is not text", "services:\n  1: { image: a }\n", "compose.yaml:2:3 the key 1 is not text"],
    ["an unknown tag", web("hostname: !env HOST"), "compose.yaml:1:40 unknown tag !env"],
    [
      "an alias without an anchor",
      web("environment: *env"),
      "compose.yaml:1:43 *env names no anchor above it",
    ],
    [
      "an anchor in itself",
      "x-a: &a { b: *a }\nservices: { web: { image: a } }\n",
      "compose.yaml:1:14 *a contains itself",
    ],
    [
      "anchors that explode",
      bomb,
      "compose.yaml:1:15 is repeated too often: aliases add more than 100000 values to this file",
    ],
    [
      "nested too deeply",
      `x-a: ${"[".repeat(80)}${"]".repeat(80)}\n${plain}`,
      "compose.yaml:1:70 is nested deeper than 64 levels",
    ],
    [
      "a merge key of text",
      "services: { web: { <<: a, image: a } }\n",
      "compose.yaml:1:24 << takes a map or a list of maps",
    ],
    ["an env file that is missing", web("env_file: nope.env"), "compose.yaml:1:40 there is no file nope.env"],
    [
      "an env file of a format that there is not",
      web("env_file: [{ path: compose.yaml, format: toml }]"),
      'compose.yaml:1:71 "toml" is not a format of env files',
    ],
    [
      "an env file that is broken",
      { "compose.yaml": web("env_file: x.env"), "x.env": 'A=1\nB="open\n' },
      "x.env:2:3 a quote is never closed",
    ],
    [
      "an env file with a name that is none",
      { "compose.yaml": web("env_file: x.env"), "x.env": "A=1\nB!=2\n" },
      'x.env:2:2 "!" cannot stand in the name of a variable',
    ],
    [
      "a raw env file with a space",
      { "compose.yaml": web("env_file: [{ path: x.env, format: raw }]"), "x.env": "A B=1\n" },
      'x.env:1:1 "A B" has a space in it',
    ],
    [
      "a .env that is broken",
      { "compose.yaml": web("tty: true"), ".env": "A='open\n" },
      ".env:1:3 a quote is never closed",
    ],
    ["a label file that is missing", web("label_file: nope"), "compose.yaml:1:42 there is no file nope"],
    [
      "an extended service that is missing",
      web("extends: base"),
      "compose.yaml:1:39 services.web.extends: there is no service base",
    ],
    [
      "an extended file that is missing",
      web("extends: { file: nope.yaml, service: a }"),
      "compose.yaml:1:47 there is no file nope.yaml",
    ],
    [
      "an extended service that its file lacks",
      {
        "compose.yaml": web("extends: { file: b.yaml, service: a }"),
        "b.yaml": "services: { c: { image: c } }\n",
      },
      "compose.yaml:1:64 services.web.extends: there is no service a in b.yaml",
    ],
    [
      "an extended file without services",
      { "compose.yaml": web("extends: { file: b.yaml, service: a }"), "b.yaml": "x-a: 1\n" },
      "compose.yaml:1:47 b.yaml has no services",
    ],
    [
      "an extended file from elsewhere",
      web('extends: { file: "https://example.com/c.yaml", service: a }'),
      "compose.yaml:1:47 https://example.com/c.yaml is not a file of this machine",
    ],
    [
      "services that extend each other",
      "services:\n  a: { extends: b }\n  b: { extends: a }\n",
      "compose.yaml:2:17 services extend each other in a circle: a extends b extends a",
    ],
    [
      "what comes of an extended file",
      {
        "compose.yaml": "services: { web: { extends: { file: b.yaml, service: a } } }\n",
        "b.yaml": "services:\n  a:\n    image: a\n    prots: [80]\n",
      },
      'b.yaml:4:5 unknown key "prots" in services.web — did you mean "ports"?',
    ],
    [
      "an included file that is missing",
      "include: [nope.yaml]\nservices: { web: { image: a } }\n",
      "compose.yaml:1:11 there is no file nope.yaml",
    ],
    [
      "an included file from elsewhere",
      'include: ["oci://example.com/c"]\nservices: { web: { image: a } }\n',
      "compose.yaml:1:11 oci://example.com/c is not a file of this machine",
    ],
    [
      "an env file of include that is missing",
      {
        "compose.yaml": "include: [{ path: b.yaml, env_file: nope.env }]\n",
        "b.yaml": "services: { web: { image: a } }\n",
      },
      "compose.yaml:1:37 there is no file nope.env",
    ],
    [
      "files that include each other",
      {
        "compose.yaml": "include: [b.yaml]\nservices: { web: { image: a } }\n",
        "b.yaml": "include: [compose.yaml]\nservices: { b: { image: a } }\n",
      },
      "b.yaml:1:11 files include each other in a circle: compose.yaml includes b.yaml includes compose.yaml",
    ],
    [
      "what is included and here too",
      {
        "compose.yaml": "include: [b.yaml]\nservices: { web: { image: a } }\n",
        "b.yaml": "services: { web: { image: b } }\n",
      },
      "compose.yaml:2:13 services.web is here and in an included file, and they differ",
    ],
    [
      "what is wrong in an included file",
      {
        "compose.yaml": "include: [sub/b.yaml]\nservices: { web: { image: a } }\n",
        "sub/b.yaml": "services:\n  b:\n    image: 1\n",
      },
      "sub/b.yaml:3:12 services.b.image: expected text, got the number 1",
    ],
    [
      "an override of another kind",
      {
        "compose.yaml": web('ports: ["80:80"]'),
        "compose.override.yaml": "services: { web: { ports: { a: b } } }\n",
      },
      "compose.override.yaml:1:27 services.web.ports: a map cannot go over a list of the file before",
    ],
    [
      "a file over the limit",
      `# ${"x".repeat(5_000_000)}\n`,
      "compose.yaml has 5 MB; files above 2 MB are not read",
    ],
    [
      "a project name that is none",
      web("tty: true"),
      '"Not OK" cannot be a project\'s name',
      { options: { name: "Not OK" } },
    ],
    [
      "a name that nothing is left of",
      'name: "${EMPTY}!"\nservices: { web: { image: a } }\n',
      "the project has no name",
    ],
    [
      "a file that is not there",
      web("tty: true"),
      "there is no file other.yaml",
      { options: { files: ["other.yaml"] }, code: "COMPOSE_NOT_FOUND" },
    ],
    [
      "a file from elsewhere",
      web("tty: true"),
      "https://example.com/compose.yaml is not a file of this machine: it would have to be fetched",
      { options: { files: ["https://example.com/compose.yaml"] } },
    ],
    [
      "a directory",
      { "compose.yaml/x": "" },
      "compose.yaml is a directory, not a file",
      { options: { files: ["compose.yaml"] } },
    ],
    [
      "a path below a file",
      web("tty: true"),
      "there is no file compose.yaml/other.yaml",
      { options: { files: ["compose.yaml/other.yaml"] }, code: "COMPOSE_NOT_FOUND" },
    ],
    [
      "text of another encoding",
      Buffer.from(web("hostname: caf\xe9"), "latin1"),
      "compose.yaml is not UTF-8 text",
    ],
    [
      "an env file of another encoding",
      { "compose.yaml": web("env_file: a.env"), "a.env": Buffer.from("A=\xe9\n", "latin1") },
      "a.env is not UTF-8 text",
    ],
    [
      "standard input",
      web("tty: true"),
      "a compose file cannot be read from standard input here",
      { options: { files: ["-"] }, code: "USAGE" },
    ],
    [
      "no file at all",
      { "other.txt": "x" },
      "there is no compose file here or in any directory above",
      { code: "COMPOSE_NOT_FOUND" },
    ],
  ];
  const named = cases.map(([what, files, message, more]) => ({ what, files, message, ...more }));
  it.each(named)("$what", async ({ files, message, options, code = "COMPOSE_INVALID" }) => {
    const error = await failure(files, options);
    expect([error.code, error.message]).toEqual([code, message]);
  });

  it("several problems come in one, each with its line", async () => {
    const error = await failure("services:\n  web:\n    imag: a\n    port: [80]\n  db:\n    image: 5\n");
    expect(error.message).toBe('compose.yaml:3:5 unknown key "imag" in services.web — did you mean "image"?');
    expect(error.detail).toContain("3 |     imag: a\n    |     ^^^^");
    expect(error.detail).toContain('compose.yaml:4:5 unknown key "port" in services.web');
    expect(error.detail).toContain("compose.yaml:6:12 services.db.image: expected text, got the number 5");
  });

  it("an aborted load ends", async () => {
    const cwd = await mkdtemp(join(tmpdir(), "compose-bad-"));
    await writeFile(join(cwd, "compose.yaml"), plain);
    const reason = new Error("enough");
    const load = loadCompose({ cwd, env: {} }, { signal: AbortSignal.abort(reason) });
    await expect(load).rejects.toBe(reason);
    await rm(cwd, { recursive: true });
  });
});
