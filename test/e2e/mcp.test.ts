import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { someTargets, type TestCluster } from "./clusters.js";
import { cli, page, runToEnd } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";

// A coding agent's session: it edits files itself, and learns from the tools what became of them.
describe.each(someTargets)("devloop mcp, as an agent uses it, on %s", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  let runtime: string;
  let client: Client;

  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "mcp");
    runtime = await mkdtemp(join(tmpdir(), "dl-"));
    client = new Client({ name: "agent", version: "1" });
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [cli, "mcp"],
        cwd: project.root,
        env: { XDG_RUNTIME_DIR: runtime },
      }),
    );
  });
  afterAll(async () => {
    await client.close();
    await devloop("stop");
    await project[Symbol.asyncDispose]();
    await rm(runtime, { recursive: true, force: true });
  });

  const devloop = (...args: string[]) =>
    runToEnd({ cluster, cwd: project.root, args, env: { XDG_RUNTIME_DIR: runtime } });
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const result = await client.callTool({ name, arguments: args }, { timeout: 300_000 });
    const [content] = result.content as unknown as [{ text: string }];
    return {
      failed: result.isError === true,
      text: content.text,
      data: result.structuredContent as Record<string, unknown>,
    };
  };

  it("says what it can do", async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      ...["status", "failures", "logs", "wait_until_ready", "trigger", "explain"],
    ]);
    expect(client.getInstructions()).toContain("wait_until_ready");
  });

  it("says how to start a loop where none runs", async () => {
    const { failed, text } = await call("status");
    expect(failed).toBe(true);
    expect(text).toContain("devloop up --detach");
  });

  it("finds one that is started meanwhile", async () => {
    expect((await devloop("up", "--detach")).code).toBe(0);
    const { data, text } = await call("wait_until_ready");
    expect(data).toMatchObject({ outcome: "ready", problems: [] });
    expect(text).toMatch(/^ready in /);
    const { data: status } = await call("status");
    const web = (status["resources"] as { id: string; pods?: string; urls?: string[] }[]).find(({ id }) =>
      id.endsWith("/web"),
    );
    expect(web).toMatchObject({ pods: "1/1", urls: [`http://localhost:${project.ports.web}`] });
  });

  it("breaks the build by an edit, reads why, mends it, and waits until it is served", async () => {
    const explained = await call("explain", { paths: ["web/www/index.html"] });
    expect(explained.text).toContain("image web: rebuild");

    await project.edit("web/Dockerfile", "COPY www", "RUN echo undefined symbol main && exit 3\nCOPY www");
    const broken = await call("wait_until_ready");
    expect(broken.data).toMatchObject({ outcome: "failed" });
    const failures = await call("failures");
    const [problem] = failures.data["problems"] as { resource: string; message: string; lines: string[] }[];
    expect(problem).toMatchObject({ resource: "image:web", code: "BUILD_FAILED" });
    expect(problem?.lines.join("\n")).toContain("undefined symbol main");
    expect(problem?.message).toContain("at web/Dockerfile:4");

    await project.edit("web/Dockerfile", "RUN echo undefined symbol main && exit 3\n", "");
    await project.write("web/www/index.html", "mended by an agent\n");
    const mended = await call("wait_until_ready");
    expect(mended.data).toMatchObject({ outcome: "ready", problems: [] });
    expect(await page(project.ports.web)).toBe("mended by an agent\n");
    expect((await call("failures")).text).toContain("nothing is broken");
  });

  it("breaks the start of a container, and reads its last words", async () => {
    await project.edit(
      "api/start.sh",
      "echo started api",
      "echo no database at db:5432; exit 4; echo started api",
    );
    const broken = await call("wait_until_ready");
    expect(broken.data).toMatchObject({ outcome: "failed" });
    expect(broken.text).toContain("no database at db:5432");
    const { text } = await call("logs", { resource: "api", tail: 5, search: "database" });
    expect(text).toContain("no database at db:5432");
    await project.edit("api/start.sh", "echo no database at db:5432; exit 4; ", "");
    expect((await call("wait_until_ready")).data).toMatchObject({ outcome: "ready" });
  });

  it("names the nearest where a name is wrong, and builds again where it is right", async () => {
    const wrong = await call("trigger", { resource: "wbe" });
    expect([wrong.failed, wrong.text]).toEqual([true, expect.stringContaining("did you mean web?")]);
    expect((await call("trigger", { resource: "web" })).failed).toBe(false);
    expect((await call("wait_until_ready")).data).toMatchObject({ outcome: "ready" });
  });
});
