import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { someTargets } from "./clusters.js";
import { page, start, until, type EventOf, type Running } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";

// BuildKit remembers a step by its text, not by its secrets: `salt` makes it run in every run of the test.
const dockerfile = (salt: string): string => `    dockerfileInline: |
      FROM runtime
      COPY start.sh /start.sh
      COPY --from=assets / /www
      RUN --mount=type=secret,id=token echo "token $(cat /run/secrets/token) ${salt}" && sleep 1 && test "$(cat /run/secrets/token)" = $(cat /run/secrets/token)
      CMD ["sh", "/start.sh"]
`;

describe.each(someTargets)("what an image is built from, beside its context, on %s", (_name, target) => {
  const secret = `t0ken-${Math.random()}`;
  let project: Scratch;
  let devloop: Running;

  beforeAll(async () => {
    const cluster = target();
    project = await scratchProject(cluster, "build");
    await project.write("base/Dockerfile", "FROM busybox:1\nCOPY kind /kind\n");
    await project.write("base/kind", "plain");
    await project.write("assets/index.html", "assets version 1\n");
    await project.write("assets/.dockerignore", "draft*\n");
    await project.edit(
      "devloop.yaml",
      "    context: web\n",
      `    context: web
${dockerfile(project.namespace)}    secrets: { token: { env: TOKEN } }
    contexts: { assets: assets, runtime: docker-image://base }
  base:
    context: base
`,
    );
    // Of .env, which the environment would win over.
    await project.write(".env", `TOKEN=${secret}\n`);
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  const builds = (since: number): readonly string[] =>
    devloop.events
      .slice(since)
      .filter(
        (event): event is EventOf<"task.started"> => event.type === "task.started" && event.kind === "build",
      )
      .map(({ subject }) => subject)
      .sort();

  it("comes from a named context, whose changes are seen, and which has its own .dockerignore", async () => {
    expect(await page(project.ports.web)).toBe("assets version 1\n");
    const since = devloop.mark();
    await project.writeAll({
      "assets/draft.html": "not for anyone",
      "assets/index.html": "assets version 2\n",
    });
    await until(async () => (await page(project.ports.web)) === "assets version 2\n", "the new asset");
    await devloop.ready({ since });
    expect(builds(since)).toEqual(["web"]);
  });

  it("builds anew when an image of the project that it names as a context does", async () => {
    const since = devloop.mark();
    await project.write("base/kind", "fancy");
    await devloop.ready({ since });
    expect(builds(since)).toEqual(["base", "web"]);
  });

  it("shows each step, and no secret value anywhere", () => {
    const told = devloop.events.flatMap((event) =>
      event.type === "task.progress" && event.id === "build:web" ? (event.progress.steps ?? []) : [],
    );
    expect(told).toContainEqual(
      expect.objectContaining({
        name: expect.stringMatching(/^RUN --mount=type=secret/) as string,
        status: "running",
      }),
    );
    const all = JSON.stringify(devloop.events);
    expect(all).toContain("token (hidden)");
    expect(all).not.toContain(secret);
  });

  it("takes an edit of the inline Dockerfile up, and hides the secret in its failure", async () => {
    const since = devloop.mark();
    await project.edit("devloop.yaml", "= $(cat /run/secrets/token)", "= other");
    const { failure } = await devloop.waitFor("task.failed", ({ id }) => id === "build:web", { since });
    expect(failure.message).toMatch(
      /^web: step "RUN --mount=type=secret.* failed \(exit code 1\) at images\.web\.dockerfileInline:4$/,
    );
    expect(failure.detail).toContain("token (hidden)");
    await project.edit("devloop.yaml", "= other", `= ${secret}`);
    await devloop.ready({ since });
  });

  it("takes an edit of devloop.yaml up that makes an image build on another of the project", async () => {
    const since = devloop.mark();
    await project.edit(
      "devloop.yaml",
      "    context: api\n",
      `    context: api
    dockerfileInline: |
      FROM base
      COPY www /www
      COPY start.sh /start.sh
      CMD ["sh", "/start.sh"]
`,
    );
    await devloop.ready({ since });
    expect(builds(since)).toEqual(["api"]);
    const next = devloop.mark();
    await project.write("base/kind", "fanciest");
    await devloop.ready({ since: next });
    expect(builds(next)).toEqual(["api", "base", "web"]);
  });
});
