import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { shell } from "./clusters.js";
import { page, runToEnd, start, until } from "./devloop.js";
import { freePort } from "./scratch.js";

const root = new URL("../../", import.meta.url).pathname;
const nowhere = { kubeconfig: "/nonexistent" };

// The project's own example, without a cluster: what is told by the engine itself is what counts.
describe("the monitor example on the docker target", () => {
  let name = "";
  let cwd = "";
  let agent = 0;
  let monitor = 0;

  beforeEach(async () => {
    name = `e2e-dock-${Math.random().toString(36).slice(2, 7)}`;
    cwd = await mkdtemp(join(tmpdir(), `devloop-${name}-`));
    [agent, monitor] = [await freePort(), await freePort()];
    await cp(join(root, "examples"), join(cwd, "examples"), { recursive: true });
    const config = await readFile(join(root, "devloop.yaml"), "utf8");
    const own = config
      .replace("name: monitor\n", `name: ${name}\n`)
      .replace("provider: auto", "provider: docker")
      .replace("monitor-dev", name)
      .replace("local: 8888", `local: ${agent}`)
      .replace("local: 3000", `local: ${monitor}`)
      .replace(
        "context: examples/monitor/services/monitor-test",
        "context: examples/monitor/services/monitor-test\n    sync: [{ src: src, dest: /app/src, then: restart }]",
      );
    await writeFile(join(cwd, "devloop.yaml"), own);
    const overlay = join(cwd, "examples/monitor/k8s/overlays/dev");
    for (const file of await readdir(overlay)) {
      const path = join(overlay, file);
      await writeFile(path, (await readFile(path, "utf8")).replaceAll("monitor-dev", name));
    }
    // Its files are to be written into the container, by its own user.
    const manifest = "examples/monitor/k8s/base/monitor-test.yaml";
    await edit(manifest, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false");
    await edit(manifest, "runAsNonRoot: true", "runAsNonRoot: false");
    await edit(manifest, "runAsUser: 10001", "runAsUser: 0");
    await edit(manifest, "drop: [ALL]", "drop: []");
  });
  afterEach(async () => {
    await runToEnd({ cluster: nowhere, cwd, args: ["down"] });
    await rm(cwd, { recursive: true, force: true });
  });

  async function edit(file: string, from: string, to: string): Promise<void> {
    const path = join(cwd, file);
    const text = await readFile(path, "utf8");
    expect(text).toContain(from);
    await writeFile(path, text.replace(from, to));
  }
  const containers = async (): Promise<readonly string[]> =>
    (await shell("docker", "ps", "-aq", "--no-trunc", "--filter", `label=devloop.dev/project=${name}`))
      .split("\n")
      .filter((line) => line !== "")
      .sort();

  it("serves both pages, carries edits through, is taken up again and removed", async () => {
    await using devloop = start({ cluster: nowhere, cwd });
    await devloop.ready();
    expect((await devloop.waitFor("cluster.connected")).cluster).toMatchObject({ provider: "docker" });
    expect(await page(agent)).toContain("<h1>");
    // Ready says that it has reached the other one, by its Service's name.
    const metrics = JSON.parse(await page(agent, "/metrics")) as { upstream: { reached: boolean } };
    expect(metrics.upstream.reached).toBe(true);
    expect(JSON.parse(await page(monitor, "/health"))).toMatchObject({ status: "ok" });
    await devloop.waitFor("log.line", ({ text }) => text.includes("listening"));

    // A new image: only what it touches is made anew.
    const before = await containers();
    let since = devloop.mark();
    await edit("examples/monitor/services/monitor-agent/src/page/index.html", "<h1>", "<h1>Edited ");
    await until(async () => (await page(agent)).includes("Edited"), "the edited page");
    await devloop.ready({ since });
    await until(async () => (await containers()).length === before.length, "the old pod to be gone");
    const after = await containers();
    expect(after.filter((id) => before.includes(id))).toHaveLength(before.length - 2);

    // A synced edit: no container is made anew.
    since = devloop.mark();
    await edit("examples/monitor/services/monitor-test/src/serve.js", "listening", "listening anew");
    await devloop.waitFor("log.line", ({ text }) => text.includes("listening anew"), { since });
    expect(
      devloop.count("task.started", (event: { id: string }) => event.id.startsWith("build:"), since),
    ).toBe(0);
    expect(await containers()).toEqual(after);

    // Without devloop all runs on, and another takes it up as it is.
    expect(await devloop.stop()).toBe(130);
    expect(await containers()).toEqual(after);
    const status = await runToEnd({ cluster: nowhere, cwd, args: ["status", "--json"] });
    expect(JSON.parse(status.stdout)).toMatchObject({
      workloads: [
        { name: "monitor-agent", status: "ready" },
        { name: "monitor-test", status: "ready" },
      ],
    });
    {
      await using again = start({ cluster: nowhere, cwd });
      await again.ready();
      expect(await page(agent)).toContain("Edited");
      expect(await containers()).toEqual(after);
    }

    const down = await runToEnd({ cluster: nowhere, cwd, args: ["down"] });
    expect(down.code, down.stderr).toBe(0);
    expect(down.stdout).toContain("removed Deployment/monitor-agent");
    expect(await containers()).toEqual([]);
    for (const kind of ["network", "volume"])
      expect(await shell("docker", kind, "ls", "-q", "--filter", `label=devloop.dev/project=${name}`)).toBe(
        "",
      );
  });
});
