import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkPaths } from "../../src/config/check-paths.js";
import { toProject } from "../../src/config/to-project.js";
import { failureOf, project, yaml } from "./project.js";

describe("the project made of a configuration", () => {
  it("has absolute paths, defaults and ids", async () => {
    await using demo = await project(
      yaml(`cluster: { namespace: dev }
images:
  web:
  api: { context: services/api, dockerfile: ../shared/Dockerfile, target: dev, platform: linux/arm64 }
  tools:
    dockerfileInline: FROM base
    secrets: { npm: { env: NPM_TOKEN }, rc: { file: etc/npmrc } }
    ssh: [default, deploy=run/agent]
    contexts: { base: "docker-image://busybox:1", assets: ../assets }
deploy:
  - kustomize: ./k8s/overlays/dev/
  - kustomize: k8s/overlays/dev
  - kustomize: .
  - helm: { chart: charts/db, release: db, values: [a.yaml], set: { n: 3 }, namespace: data }
  - helm: { chart: oci://registry.example.com/charts/x, release: x }
  - manifests: extra/*.yaml
  - manifests: [a.yaml, b.yaml]
forwards:
  - { service: web, remote: 8888 }
  - { service: web, remote: 8888, local: 9999, namespace: other }
  - { deployment: api, remote: http, local: 80, host: 0.0.0.0, strict: true }
limits: { builds: 3 }
keepImages: 0
`),
    );
    const root = demo.directory;
    const made = toProject(await demo.load());
    expect(made).toMatchObject({
      name: "demo",
      root,
      maxBuilds: 3,
      keepImages: 0,
      images: [
        {
          name: "web",
          context: root,
          dockerfile: { kind: "file", path: join(root, "Dockerfile") },
          args: {},
          noCache: false,
        },
        {
          name: "api",
          context: join(root, "services/api"),
          dockerfile: { kind: "file", path: join(root, "services/shared/Dockerfile") },
          target: "dev",
          platform: "linux/arm64",
        },
        {
          name: "tools",
          dockerfile: { kind: "inline", text: "FROM base" },
          secrets: {
            npm: { kind: "env", name: "NPM_TOKEN" },
            rc: { kind: "file", path: join(root, "etc/npmrc") },
          },
          ssh: { default: null, deploy: join(root, "run/agent") },
          contexts: {
            base: { kind: "address", address: "docker-image://busybox:1" },
            assets: { kind: "directory", path: join(root, "../assets") },
          },
        },
      ],
      deploys: [
        { id: "k8s/overlays/dev", kind: "kustomize", path: join(root, "k8s/overlays/dev") },
        { id: "k8s/overlays/dev#2" },
        { id: ".", path: root },
        {
          id: "helm:db",
          kind: "helm",
          chart: join(root, "charts/db"),
          values: [join(root, "a.yaml")],
          set: { n: "3" },
          namespace: "data",
        },
        { id: "helm:x", chart: "oci://registry.example.com/charts/x" },
        { id: "manifests:extra/*.yaml", kind: "manifests", patterns: ["extra/*.yaml"], root },
        { id: "manifests:a.yaml", patterns: ["a.yaml", "b.yaml"] },
      ],
    });
    expect(made.cluster).toEqual({ provider: "auto", namespace: "dev", create: false, allow: [] });
    expect(made.images[0]).not.toHaveProperty("target");
    expect(made.forwards).toEqual([
      {
        id: "service/web:8888",
        kind: "service",
        name: "web",
        host: "127.0.0.1",
        local: 8888,
        remote: 8888,
        strict: false,
      },
      {
        id: "other/service/web:8888",
        kind: "service",
        name: "web",
        namespace: "other",
        host: "127.0.0.1",
        local: 9999,
        remote: 8888,
        strict: false,
      },
      {
        id: "deployment/api:http",
        kind: "deployment",
        name: "api",
        host: "0.0.0.0",
        local: 80,
        remote: "http",
        strict: true,
      },
    ]);
  });

  it("has sync rules and pulls, cleaned, with what says how the image is built among what rebuilds it", async () => {
    await using demo = await project(
      yaml(`images:
  auto: { context: auto, dockerfile: ../Dockerfile, sync: auto }
  common: { dockerfile: "docker/web[1]", sync: { auto: true, then: { exec: make all }, ignore: ["*.md"] }, rebuild: [go.mod] }
  inline:
    context: web
    dockerfileInline: FROM x
    sync:
      - { src: ./src/, dest: /app//src/, ignore: ["**/*.test.js"], then: restart }
      - { src: "*.py", dest: /srv, then: { exec: [make, -C, /app], workdir: /app, when: ["**/*.c"] } }
      - { src: 1.5, dest: /app/1 }
    pull: [{ src: /app/coverage/, dest: ./coverage }]
  none: { sync: [], rebuild: [x] }
  plain:
`),
    );
    const [auto, common, inline, none, plain] = toProject(await demo.load()).images;
    expect(auto?.sync).toEqual({
      kind: "auto",
      rebuild: [".dockerignore"],
      ignore: [],
      then: { kind: "nothing" },
    });
    expect(common?.sync).toEqual({
      kind: "auto",
      rebuild: ["go.mod", "docker/web\\[1\\]", "docker/web\\[1\\].dockerignore", ".dockerignore"],
      ignore: ["*.md"],
      then: { kind: "exec", command: ["sh", "-c", "make all"], when: [] },
    });
    expect(inline?.sync).toEqual({
      kind: "rules",
      rebuild: [".dockerignore"],
      rules: [
        { src: "src", dest: "/app/src/", ignore: ["**/*.test.js"], then: { kind: "restart" } },
        {
          src: "*.py",
          dest: "/srv",
          ignore: [],
          then: { kind: "exec", command: ["make", "-C", "/app"], workdir: "/app", when: ["**/*.c"] },
        },
        { src: "1.5", dest: "/app/1", ignore: [], then: { kind: "nothing" } },
      ],
    });
    expect(inline?.pull).toEqual([{ src: "/app/coverage", dest: join(demo.directory, "coverage") }]);
    for (const image of [none, plain]) {
      expect(image).not.toHaveProperty("sync");
      expect(image?.pull).toEqual([]);
    }
  });

  it("a hash changes with what it covers, and only then", async () => {
    const hashes = async (web: string): Promise<readonly string[]> => {
      await using demo = await project(yaml(`images:\n  web: ${web}\n  api: {}\n`));
      const loaded = await demo.load();
      return toProject({ ...loaded, file: "/project/devloop.yaml" }).images.map(({ specHash }) => specHash);
    };
    const before = await hashes("{ args: { A: 1, B: 2 } }");
    expect(before[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashes("{ context: ., args: { B: 2, A: 1 } }")).toEqual(before);
    const synced = "sync: [{ src: src, dest: /app }], rebuild: [x], pull: [{ src: /app/out, dest: out }]";
    expect(await hashes(`{ args: { A: 1, B: 2 }, ${synced} }`)).toEqual(before);
    const after = await hashes("{ args: { A: 1, B: 3 } }");
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
  });
});

describe("what the configuration names", () => {
  const text = yaml(`images:
  web: { context: services/web }
  api: { context: services/wep }
  lib: { context: services/web, dockerfile: Dockerfle }
deploy:
  - kustomize: k8s/base
  - kustomize: k8s/dev
  - helm: { chart: charts/db, release: db, values: [values.yaml] }
  - helm: { chart: oci://registry.example.com/x, release: x }
  - manifests: [extra.yaml, none/*.yaml]
`);

  it("is there, or each missing thing is said with its place", async () => {
    await using demo = await project({
      "devloop.yaml": text,
      "services/web/Dockerfile": "",
      "k8s/base/kustomization.yaml": "",
      "k8s/dev/other.yaml": "",
    });
    const loaded = await demo.load();
    const failure = await failureOf(checkPaths(toProject(loaded), loaded));
    expect(failure.code).toBe("CONFIG_INVALID");
    const said = `${failure.message}\n${failure.detail ?? ""}`
      .split("\n")
      .filter((line) => /^devloop/.test(line));
    expect(said).toEqual([
      "devloop.yaml:5:19 images.api.context: there is no directory services/wep — did you mean web?",
      "devloop.yaml:6:45 images.lib.dockerfile: there is no file services/web/Dockerfle — did you mean Dockerfile?",
      "devloop.yaml:9:16 deploy[1].kustomize: k8s/dev holds no kustomization.yaml",
      "devloop.yaml:10:20 deploy[2].helm.chart: there is no file or directory charts/db",
      "devloop.yaml:10:53 deploy[2].helm.values[0]: there is no file values.yaml",
      "devloop.yaml:12:17 deploy[4].manifests[0]: there is no file or directory extra.yaml",
    ]);
  });

  it("a sync rule's src is there too, or the directory of its pattern", async () => {
    const rules =
      "{ src: scr, dest: /a }, { src: src/*.js, dest: /b }, { src: lib/*.js, dest: /c }, { src: ., dest: /d }";
    await using demo = await project({
      "devloop.yaml": yaml(`images: { web: { context: web, sync: [${rules}] } }\n`),
      "web/Dockerfile": "",
      "web/src/a.js": "",
    });
    const loaded = await demo.load();
    const failure = await failureOf(checkPaths(toProject(loaded), loaded));
    expect(failure.message).toBe(
      "devloop.yaml:3:46 images.web.sync[0].src: there is no file or directory web/scr — did you mean src?",
    );
    expect(failure.detail).toContain("images.web.sync[2].src: there is no directory web/lib");
    expect(failure.detail).not.toMatch(/sync\[[13]\]/);
  });

  it("a Dockerfile nobody wrote down is missed at its image", async () => {
    await using demo = await project(yaml("images:\n  web:\n"));
    const loaded = await demo.load();
    expect((await failureOf(checkPaths(toProject(loaded), loaded))).message).toBe(
      "devloop.yaml:4:3 images.web.dockerfile: there is no file Dockerfile",
    );
  });

  it("nothing is said when all is there", async () => {
    await using demo = await project({ "devloop.yaml": yaml("images: { web: {} }\n"), Dockerfile: "" });
    const loaded = await demo.load();
    await expect(checkPaths(toProject(loaded), loaded)).resolves.toBeUndefined();
  });
});
