import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DevloopError } from "../../src/lib/errors.js";
import { project, yaml } from "./project.js";

describe("what is wrong with devloop.yaml is said with its place", () => {
  const cases: readonly (readonly [what: string, text: string, message: string, hint?: string])[] = [
    [
      "unknown key with a near one",
      yaml("imags:\n  web: {}\n"),
      'devloop.yaml:3:1 unknown key "imags" — did you mean "images"?',
    ],
    [
      "unknown key with none near",
      yaml("limits:\n  volumes: 3\n"),
      'devloop.yaml:4:3 unknown key "volumes" in limits',
      "valid keys here: builds",
    ],
    [
      "key of another level",
      yaml("images:\n  web: { targt: x }\n"),
      'devloop.yaml:4:10 unknown key "targt" — did you mean "target"?',
    ],
    [
      "unknown key of an image",
      yaml("images:\n  web:\n    volumes: []\n"),
      'devloop.yaml:5:5 unknown key "volumes" in images.web',
      "valid keys here: context, dockerfile, dockerfileInline, target, args, labels, network, extraHosts, secrets, ssh, contexts, platform, cacheFrom, noCache, pullBases, ignore, sync, rebuild, pull",
    ],
    [
      "two Dockerfiles",
      yaml("images:\n  web:\n    dockerfile: a\n    dockerfileInline: FROM x\n"),
      "devloop.yaml:5:5 images.web: has dockerfile and dockerfileInline; only one can stand",
    ],
    [
      "a secret from nowhere",
      yaml("images:\n  web:\n    secrets:\n      npm: {}\n"),
      "devloop.yaml:6:12 images.web.secrets.npm: needs one of file or env",
    ],
    [
      "text for a number",
      yaml("forwards:\n  - service: web\n    local: abc\n    remote: 80\n"),
      'devloop.yaml:5:12 forwards[0].local: expected a number, got text "abc"',
    ],
    [
      "quoted number",
      yaml('limits: { builds: "2" }\n'),
      'devloop.yaml:3:19 limits.builds: expected a number, got text "2"',
      "a number stands without quotes",
    ],
    [
      "quoted number where a name may stand",
      yaml('forwards: [{ service: web, local: 1, remote: "80" }]\n'),
      'devloop.yaml:3:46 forwards[0].remote: "80" is neither a port number nor a port\'s name',
      "a number stands without quotes",
    ],
    [
      "broken number",
      yaml("limits: { builds: 1.5 }\n"),
      "devloop.yaml:3:19 limits.builds: expected a whole number, got the number 1.5",
    ],
    [
      "number too small",
      yaml("limits: { builds: 0 }\n"),
      "devloop.yaml:3:19 limits.builds: 0 must be at least 1",
    ],
    [
      "number too big",
      yaml("forwards: [{ service: web, remote: 70000 }]\n"),
      "devloop.yaml:3:36 forwards[0].remote: 70000 must be at most 65535",
    ],
    [
      "text for a boolean",
      yaml('cluster: { create: "yes" }\n'),
      'devloop.yaml:3:20 cluster.create: expected true or false, got text "yes"',
    ],
    [
      "list for text",
      yaml("images:\n  web: { context: [a] }\n"),
      "devloop.yaml:4:19 images.web.context: expected text, got a list",
    ],
    [
      "map for a list",
      yaml("deploy:\n  kustomize: k8s\n"),
      "devloop.yaml:4:3 deploy: expected a list, got a map",
    ],
    [
      "text for a map",
      yaml("images: web\n"),
      'devloop.yaml:3:9 images: expected a map of keys, got text "web"',
    ],
    [
      "nothing for text",
      yaml("images:\n  web:\n    target:\n"),
      "devloop.yaml:5:5 images.web.target: expected text, got nothing",
      "give it a value, or take the key away",
    ],
    [
      "empty text",
      yaml('images: { web: { context: "" } }\n'),
      "devloop.yaml:3:27 images.web.context: must not be empty",
    ],
    ["missing key", "version: 1\nimages: {}\n", 'devloop.yaml:1:1 "name" is missing'],
    [
      "missing version",
      "name: demo\n",
      'devloop.yaml:1:1 "version" is missing',
      "begin the file with: version: 1",
    ],
    [
      "missing key of an entry",
      yaml("forwards:\n  - service: web\n"),
      'devloop.yaml:4:5 forwards[0]: "remote" is missing',
    ],
    [
      "missing local beside a name",
      yaml("forwards:\n  - { service: web, remote: http }\n"),
      'devloop.yaml:4:5 forwards[0]: "local" is missing: remote "http" is a name, so it gives no number',
    ],
    [
      "other version",
      "version: 2\nname: demo\n",
      "devloop.yaml:1:10 version: expected 1, got the number 2",
      "this devloop reads version 1 of the format",
    ],
    [
      "invalid choice with a near one",
      yaml("cluster: { provider: knid }\n"),
      'devloop.yaml:3:22 cluster.provider: "knid" is not one of auto, kind, k3d, context, docker — did you mean "kind"?',
    ],
    [
      "invalid choice",
      yaml("cluster: { provider: podman }\n"),
      'devloop.yaml:3:22 cluster.provider: "podman" is not one of auto, kind, k3d, context, docker',
    ],
    [
      "choice of another type",
      yaml("cluster: { provider: [kind] }\n"),
      "devloop.yaml:3:22 cluster.provider: expected one of auto, kind, k3d, context, docker; got a list",
    ],
    [
      "project name",
      "version: 1\nname: My App\n",
      'devloop.yaml:2:7 name: "My App" must be lower-case letters, digits and "-", at most 63, with a letter or digit at both ends',
    ],
    [
      "image with a tag",
      yaml("images:\n  web:latest: {}\n"),
      'devloop.yaml:4:3 images: "web:latest" carries a tag; name the image without it: web',
    ],
    [
      "image with a digest",
      yaml("images:\n  web@sha256:00: {}\n"),
      'devloop.yaml:4:3 images: "web@sha256:00" carries a digest; name the image without it: web',
    ],
    [
      "image in upper case",
      yaml("images:\n  Web: {}\n"),
      'devloop.yaml:4:3 images: "Web" must be in lower case: web',
    ],
    [
      "image that is no name",
      yaml('images:\n  "a b": {}\n'),
      'devloop.yaml:4:3 images: "a b" is not an image name; it looks like web or registry.example.com/team/web',
    ],
    [
      "deploy entry of two kinds",
      yaml("deploy:\n  - kustomize: k8s\n    manifests: x.yaml\n"),
      "devloop.yaml:4:5 deploy[0]: has kustomize and manifests; only one of kustomize, helm or manifests can stand in an entry",
    ],
    [
      "deploy entry of no kind",
      yaml("deploy:\n  - {}\n"),
      "devloop.yaml:4:5 deploy[0]: needs one of kustomize, helm or manifests",
    ],
    [
      "manifests of another type",
      yaml("deploy:\n  - manifests: 3\n  - manifests: {}\n"),
      "devloop.yaml:5:16 deploy[1].manifests: expected text or a list, got a map",
    ],
    [
      "forward to nothing",
      yaml("forwards:\n  - remote: 80\n"),
      "devloop.yaml:4:5 forwards[0]: needs one of service, deployment, statefulset or pod",
    ],
    [
      "the same forward twice",
      yaml("forwards:\n  - { service: web, remote: 80 }\n  - { service: web, local: 81, remote: 80 }\n"),
      "devloop.yaml:5:5 forwards[1]: forwards to service/web:80 a second time (first at line 4)",
    ],
    [
      "a strict local port twice",
      yaml(
        "forwards:\n  - { service: web, remote: 80, strict: true }\n  - { service: api, local: 80, remote: 8080, host: 0.0.0.0 }\n",
      ),
      "devloop.yaml:5:5 forwards[1]: takes local port 80 a second time, and strict forbids another one (first at line 4)",
    ],
    [
      "inside a profile that is not active",
      yaml("profiles:\n  ci:\n    cluster: { provider: k3 }\n"),
      'devloop.yaml:5:26 profiles.ci.cluster.provider: "k3" is not one of auto, kind, k3d, context, docker — did you mean "k3d"?',
    ],
    [
      "profile in a profile",
      yaml("profiles:\n  ci:\n    profiles: {}\n"),
      'devloop.yaml:5:5 unknown key "profiles" in profiles.ci',
      "valid keys here: activation, cluster, images, deploy, forwards, order, limits, keepImages, ui",
    ],
    [
      "activation by nothing",
      yaml("profiles:\n  ci:\n    activation: [{}]\n"),
      "devloop.yaml:5:18 profiles.ci.activation[0]: needs env, context or profiles",
    ],
    ["duplicate key", yaml("name: other\n"), 'devloop.yaml:3:1 the key "name" stands here twice'],
    [
      "duplicate key in another spelling",
      yaml("images: { 1: {}, '1': {} }\n"),
      'devloop.yaml:3:18 the key "1" stands here twice',
    ],
    ["tab", "version: 1\ncluster:\n\tname: x\n", "devloop.yaml:3:1 a tab cannot indent YAML; use spaces"],
    ["two documents", yaml("---\na: 1\n"), "devloop.yaml:3:1 only one YAML document can stand in this file"],
    ["unknown tag", yaml("cluster: !env { name: x }\n"), "devloop.yaml:3:10 unknown tag !env"],
    [
      "syntax",
      yaml("cluster: { name: x\n"),
      "devloop.yaml:4:1 is not valid YAML: flow map in block collection must be sufficiently indented and end with a }",
    ],
    [
      "unquoted variable between braces",
      yaml("cluster: { name: ${NAME} }\n"),
      "devloop.yaml:3:19 is not valid YAML: a brace where none can stand",
      'inside { } and [ ] a variable stands in quotes: "${NAME}"',
    ],
    ["unknown alias", yaml("cluster: *none\n"), "devloop.yaml:3:10 *none names no anchor above it"],
    ["alias in itself", yaml("cluster: &c\n  name: *c\n"), "devloop.yaml:4:9 *c contains itself"],
    ["merge of text", yaml("cluster:\n  <<: x\n"), "devloop.yaml:4:7 << takes a map or a list of maps"],
    ["key that is a list", yaml("cluster:\n  [a]: x\n"), "devloop.yaml:4:3 a key must be plain text"],
    ["__proto__", yaml("images:\n  __proto__: {}\n"), 'devloop.yaml:4:3 unknown key "__proto__"'],
    [
      "empty file",
      "# nothing yet\n",
      'devloop.yaml:1:1 "version" is missing',
      "begin the file with: version: 1",
    ],
    ["list as file", "- a\n", "devloop.yaml:1:1 expected a map of keys, got a list"],
  ];

  it.each(cases.map(([what, text, message, hint]) => ({ what, text, message, hint })))(
    "$what",
    async ({ text, message, hint }) => {
      await using demo = await project(text);
      const failure = await demo.failure();
      expect(failure.code).toBe("CONFIG_INVALID");
      expect(failure.message).toBe(message);
      if (hint !== undefined) expect(failure.hint).toBe(hint);
    },
  );

  const image = (rest: string): string => yaml(`images:\n  web:\n    ${rest}\n`);
  const syncCases: readonly (readonly [what: string, text: string, message: string, hint?: string])[] = [
    [
      "sync of another kind",
      image("sync: on"),
      'devloop.yaml:5:11 images.web.sync: expected auto, got text "on"',
    ],
    [
      "a rule in place of the list",
      image("sync: { src: src, dest: /app, then: restart }"),
      'devloop.yaml:5:11 images.web.sync: "auto" is missing',
    ],
    [
      "auto that is not",
      image("sync: { auto: false }"),
      "devloop.yaml:5:19 images.web.sync.auto: expected true, got false",
    ],
    [
      "unknown key of a rule",
      image("sync: [{ src: src, dest: /app/src, thne: restart }]"),
      'devloop.yaml:5:40 unknown key "thne" — did you mean "then"?',
    ],
    [
      "rule without dest",
      image("sync: [{ src: src }]"),
      'devloop.yaml:5:12 images.web.sync[0]: "dest" is missing',
    ],
    ...["app/src", "/", "//", "/./", "/app/../etc", "/.."].map(
      (dest) =>
        [
          `dest ${dest}`,
          image(`sync: [{ src: src, dest: ${dest} }]`),
          `devloop.yaml:5:30 images.web.sync[0].dest: "${dest}" must be an absolute path in the container, not / itself, without ..`,
        ] as const,
    ),
    ...["../src", "/src", "a/../../b", ".."].map(
      (src) =>
        [
          `src ${src}`,
          image(`sync: [{ src: ${src}, dest: /app }]`),
          `devloop.yaml:5:19 images.web.sync[0].src: "${src}" must lie in the image's context: a path relative to it, without ..`,
        ] as const,
    ),
    [
      "a malformed pattern",
      image('sync: [{ src: src, dest: /app, ignore: ["src/[a"] }]'),
      "devloop.yaml:5:45 images.web.sync[0].ignore[0]: is a malformed pattern: close every [ with a ], and write a literal \\ as \\\\",
    ],
    [
      "a near action",
      image("sync: [{ src: src, dest: /app, then: restrat }]"),
      'devloop.yaml:5:42 images.web.sync[0].then: "restrat" is not one of nothing, restart — did you mean "restart"?',
    ],
    [
      "unknown key of an action",
      image("sync: [{ src: src, dest: /app, then: { exec: make, wehn: [] } }]"),
      'devloop.yaml:5:56 unknown key "wehn" — did you mean "when"?',
    ],
    ...['""', '" "', "[]"].map(
      (exec) =>
        [
          `exec ${exec}`,
          image(`sync: [{ src: src, dest: /app, then: { exec: ${exec} } }]`),
          "devloop.yaml:5:50 images.web.sync[0].then.exec: must not be empty",
        ] as const,
    ),
    [
      "exec of an empty word",
      image('sync: { auto: true, then: { exec: ["", x] } }'),
      "devloop.yaml:5:39 images.web.sync.then.exec: needs a program as its first word",
    ],
    [
      "two files for one place",
      image("sync:\n      - { src: a.json, dest: /app/ }\n      - { src: ./dev/a.json, dest: /app/a.json }"),
      "devloop.yaml:7:36 images.web.sync[1].dest: another file goes to /app/a.json too (first at line 6)",
    ],
    [
      "rebuild without sync",
      image("rebuild: [package.json]"),
      "devloop.yaml:5:14 images.web.rebuild: stands without sync: every change builds the image anyway",
      "add sync, or take rebuild away",
    ],
    ...[".", "./", "../out", "/tmp/out", "a/../../b"].map(
      (dest) =>
        [
          `pull to ${dest}`,
          image(`pull: [{ src: /app/out, dest: ${dest} }]`),
          `devloop.yaml:5:35 images.web.pull[0].dest: "${dest}" must be a directory inside the project: relative to devloop.yaml, without .., not the project itself`,
        ] as const,
    ),
    [
      "pull into git's own",
      image("pull: [{ src: /app/out, dest: sub/.git/hooks }]"),
      "devloop.yaml:5:35 images.web.pull[0].dest: lies in a repository's .git",
    ],
    [
      "pull over a context",
      image("context: services/web\n    pull: [{ src: /app/out, dest: services }]"),
      "devloop.yaml:6:35 images.web.pull[0].dest: holds the context of image web, whose files come from here",
    ],
    ...[
      ["src", "src/out"],
      [".", "out"],
      ["src/**/*.js", "src/out"],
      ["src/out/gen", "src/out"],
    ].map(
      ([src = "", dest = ""]) =>
        [
          `pull of ${dest} beside a rule for ${src}`,
          image(`sync: [{ src: "${src}", dest: /app }]\n    pull: [{ src: /app/out, dest: ${dest} }]`),
          "devloop.yaml:6:35 images.web.pull[0].dest: lies in what images.web.sync[0] covers: what comes back would be sent again",
          "choose another place, or put it into that rule's ignore",
        ] as const,
    ),
  ];

  it.each(syncCases.map(([what, text, message, hint]) => ({ what, text, message, hint })))(
    "sync: $what",
    async ({ text, message, hint }) => {
      await using demo = await project(text);
      const failure = await demo.failure();
      expect(failure.code).toBe("CONFIG_INVALID");
      expect(failure.message).toBe(message);
      if (hint !== undefined) expect(failure.hint).toBe(hint);
    },
  );

  it.each([
    ["a profile that adds to rules", "sync: auto\nprofiles: { p: { images: { web: { rebuild: [a] } } } }"],
    [
      "a profile that takes them away",
      "sync: auto\n    rebuild: [a]\nprofiles: { p: { images: { web: { sync: [] } } } }",
    ],
    [
      "a pulled place that the rule leaves out",
      "sync: [{ src: ., dest: /app, ignore: [out] }]\n    pull: [{ src: /app/out, dest: out }]",
    ],
    [
      "a pulled place that the image leaves out",
      "ignore: [out]\n    sync: [{ src: ., dest: /app }]\n    pull: [{ src: /o, dest: out/a }]",
    ],
    ["directories that merge", "sync: [{ src: a, dest: /app }, { src: b, dest: /app }]"],
    ["one file twice", "sync: [{ src: a.js, dest: /app/a.js }, { src: ./a.js, dest: /app/ }]"],
  ])("sync: nothing is wrong with %s", async (_what, text) => {
    await using demo = await project(image(text));
    await expect(demo.load({ profiles: text.includes("profiles") ? ["p"] : [] })).resolves.toBeDefined();
  });

  it("all problems come in one error, in the file's order, each with its line and a caret", async () => {
    await using demo = await project(
      yaml(
        "imags: {}\ncluster:\n\n  provider: knd\nlimits: { builds: ${N} }\n".replace(
          "{ builds: ${N} }",
          '{ builds: "${N}" }',
        ),
      ),
    );
    const failure = await demo.failure();
    expect(failure.message).toBe('devloop.yaml:3:1 unknown key "imags" — did you mean "images"?');
    expect(failure.detail).toBe(
      [
        "  3 | imags: {}",
        "    | ^^^^^",
        "",
        'devloop.yaml:6:13 cluster.provider: "knd" is not one of auto, kind, k3d, context, docker — did you mean "kind"?',
        "  6 |   provider: knd",
        "    |             ^^^",
        "",
        "devloop.yaml:7:20 N is not set",
        '  7 | limits: { builds: "${N}" }',
        "    |                    ^^^^",
        "  set it in the environment or in .env, or give a default: ${N:-value}",
      ].join("\n"),
    );
  });

  it("of very many problems the first are shown and the rest counted", async () => {
    const keys = Array.from({ length: 33 }, (_, index) => `k${index}q: 1\n`).join("");
    await using demo = await project(yaml(keys));
    expect((await demo.failure()).detail).toMatch(/\n\nand 13 more$/);
  });

  it("an alias bomb is refused", async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const below = level === 0 ? "x" : `*a${level - 1}`;
      return `  - &a${level} [${Array.from({ length: 10 }, () => below).join(", ")}]\n`;
    });
    await using demo = await project(yaml(`deploy:\n${levels.join("")}`));
    expect((await demo.failure()).message).toMatch(
      /^devloop\.yaml:\d+:\d+ is repeated too often: aliases add more than 10000 values to this file$/,
    );
  });

  it.each([
    ["brackets", `deploy: ${"[".repeat(100)}${"]".repeat(100)}\n`],
    ["very many brackets", `deploy: ${"[".repeat(20_000)}${"]".repeat(20_000)}\n`],
    ["brackets left open", `deploy: ${"[".repeat(20_000)}`],
    ["lists", `deploy:\n${"- ".repeat(20_000)}x\n`],
    ["keys", `deploy:\n  ${"? ".repeat(20_000)}x\n`],
    [
      "aliases",
      `deploy:\n${Array.from({ length: 70 }, (_, i) => `- &a${i} [${i === 0 ? "" : `*a${i - 1}`}]\n`).join("")}`,
    ],
  ])("nesting beyond all reason is refused: %s", async (_what, text) => {
    await using demo = await project(yaml(text));
    expect((await demo.failure()).message).toMatch(/is nested deeper than 64 levels$/);
  });

  it("a secret's value does not stand in a message", async () => {
    await using demo = await project(yaml("limits:\n  builds: ${API_TOKEN}\n"));
    const failure = await demo.failure({ env: { API_TOKEN: "hunter2" } });
    expect(failure.message).toBe("devloop.yaml:4:11 limits.builds: expected a number, got text (hidden)");
    expect(failure.detail).not.toContain("hunter2");
  });

  it("control characters of the file do not reach the terminal", async () => {
    await using demo = await project(yaml('cluster: { "\\e[2J": "a\u001b[2J" }\n'));
    const { message, detail } = await demo.failure();
    expect(`${message}${detail ?? ""}`).not.toContain("\u001b");
  });
});

describe("finding the file", () => {
  it("is found in a directory above, .yaml before .yml, and messages name it from where the user stands", async () => {
    await using demo = await project({ "devloop.yaml": yaml("imags: {}"), "devloop.yml": yaml("") });
    const cwd = join(demo.directory, "a/b");
    await mkdir(cwd, { recursive: true });
    expect((await demo.failure({ cwd })).message).toMatch(/^\.\.\/\.\.\/devloop\.yaml:3:1 /);
    const { file, files } = await demo.load({ file: "../../devloop.yml", cwd });
    expect(file).toBe(join(demo.directory, "devloop.yml"));
    expect(files).toEqual([file, join(demo.directory, ".env")]);
  });

  it("none at all is CONFIG_NOT_FOUND with what to do", async () => {
    await using demo = await project({});
    const missing = await demo.failure({ file: "other.yaml" });
    expect([missing.code, missing.message]).toEqual(["CONFIG_NOT_FOUND", "there is no file other.yaml"]);
    const none = await demo.failure();
    expect([none.code, none.message, none.hint]).toEqual([
      "CONFIG_NOT_FOUND",
      "there is no devloop.yaml here or in any directory above",
      "devloop init writes one for the project in this directory; or name one with --file",
    ]);
  });

  it("a directory called .env is left alone", async () => {
    await using demo = await project({ "devloop.yaml": yaml(""), ".env/bin/python": "" });
    expect((await demo.load()).config.name).toBe("demo");
  });
});

describe("whatever stands in the file", () => {
  const words = [
    "version: 1",
    "name: x",
    "images:",
    "web",
    "deploy",
    "- ",
    "  ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "&a ",
    "*a",
    "<<: *a",
    "${X}",
    "${X:-",
    "$$",
    "'",
    '"',
    "|",
    ">",
    "#",
    "!!str ",
    "? ",
    "%YAML 1.1",
    "---",
    "\t",
    "~",
    "3",
    "true",
    "forwards",
    "remote: 80",
    "profiles:",
    "ci:",
    "\u0000",
    "é",
  ];
  const yamlish = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join("")),
    fc.json().map((json) => yaml(`images: ${json}`)),
    fc
      .dictionary(
        fc.constantFrom(
          "version",
          "name",
          "images",
          "deploy",
          "forwards",
          "cluster",
          "limits",
          "profiles",
          "x",
        ),
        fc.jsonValue(),
      )
      .map((value) => JSON.stringify(value)),
  );

  it("loading ends well or with a DevloopError", { timeout: 300_000 }, async () => {
    await using demo = await project("");
    await fc.assert(
      fc.asyncProperty(yamlish, async (text) => {
        await writeFile(join(demo.directory, "devloop.yaml"), text);
        await demo.load().catch((error: unknown) => {
          if (!(error instanceof DevloopError)) throw error;
          expect(error.code).toBe("CONFIG_INVALID");
        });
      }),
      { numRuns: 400 },
    );
  });
});
