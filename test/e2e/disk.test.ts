import { describe, expect, it } from "vitest";
import { familiarName } from "../../src/cluster/disk/build-tag.js";
import { api, shell, someTargets } from "./clusters.js";
import { page, runToEnd, start, until } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";

/** Gives the project's images names that nothing else uses: its builds can be counted then. */
async function ownNames(project: Scratch): Promise<readonly string[]> {
  for (const name of ["web", "api"]) {
    await project.edit("devloop.yaml", `  ${name}:\n`, `  ${project.namespace}/${name}:\n`);
    await project.edit(`k8s/base/${name}.yaml`, `image: ${name}\n`, `image: ${project.namespace}/${name}\n`);
  }
  return ["web", "api"].map((name) => `${project.namespace}/${name}`);
}

describe.each(someTargets)("the disk on %s", (_name, target) => {
  it("holds three builds of an image however often it is edited, and status and gc say so", async () => {
    const cluster = target();
    const { pods } = api(cluster);
    // Without a cluster there is no other place than the engine.
    const inCluster = cluster.flavour !== "docker";
    await using project = await scratchProject(cluster, "disk");
    const [web = "", other = ""] = await ownNames(project);
    const tags = async (name: string): Promise<string[]> =>
      (await shell("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", name)).trim().split("\n");
    const inNode = async (): Promise<string[]> =>
      inCluster
        ? (await shell("docker", "exec", cluster.node, "ctr", "--namespace", "k8s.io", "images", "ls", "-q"))
            .split("\n")
            .filter((ref) => ref.includes(`${web}:`))
        : [];
    /** Those on their way out as well. */
    const webPods = async () =>
      (inCluster
        ? await api(cluster).list(`/api/v1/namespaces/${project.namespace}/pods`)
        : await pods(project.namespace)
      ).filter(({ metadata }) => metadata.labels?.["app"] === "web");
    // Those of pods on their way out go at a later look.
    const onlyThree = (): Promise<void> =>
      expect
        .poll(async () => [(await tags(web)).length, (await inNode()).length], {
          timeout: 300_000,
          interval: 500,
        })
        .toEqual([3, inCluster ? 3 : 0]);
    try {
      await using devloop = start({ cluster, cwd: project.root });
      await devloop.ready();
      for (let version = 2; version <= 6; version += 1) {
        const since = devloop.mark();
        await project.write("web/www/index.html", `web version ${version}\n`);
        await devloop.ready({ since });
        expect(await page(project.ports.web)).toBe(`web version ${version}\n`);
      }
      await onlyThree();
      // It is told once they are gone from everywhere.
      const removed = () =>
        devloop.events.reduce((sum, event) => sum + (event.type === "images.removed" ? event.builds : 0), 0);
      await expect.poll(removed).toBe(3);
      if (inCluster)
        expect((await inNode()).map((ref) => familiarName(ref)).sort()).toEqual((await tags(web)).sort());
      expect(await tags(other)).toHaveLength(1);

      // The first version again: its build is gone, and is made anew from what BuildKit remembers.
      const since = devloop.mark();
      await project.write("web/www/index.html", "web version 1\n");
      await devloop.ready({ since });
      expect(await page(project.ports.web)).toBe("web version 1\n");
      await onlyThree();

      const status = await runToEnd({ cluster, cwd: project.root, args: ["status", "--json"] });
      expect(status.stderr).toBe("");
      expect(JSON.parse(status.stdout)).toMatchObject({
        project: { name: project.namespace },
        workloads: [
          { name: "api", ready: 1, desired: 1, status: "ready" },
          { name: "web", ready: 1, desired: 1, status: "ready" },
        ],
        disk: [
          { place: "engine", builds: 4, removable: 0 },
          ...(inCluster ? [{ place: cluster.node, builds: 4, removable: 0 }] : []),
        ],
      });
      const gc = await runToEnd({ cluster, cwd: project.root, args: ["gc", "--dry-run"] });
      expect(gc.stdout).toMatch(/nothing is to be removed\n$/);
      const user = inCluster
        ? `pod ${project.namespace}/web-`
        : `container devloop-${project.namespace}\\..*\\.web-`;
      expect(gc.stdout).toMatch(new RegExp(`^${web} .* kept: ${user}`, "m"));

      await devloop.stop();
      await project.edit("devloop.yaml", "version: 1\n", "version: 1\nkeepImages: 1\n");
      // A pod on its way out still uses its image.
      await until(async () => (await webPods()).length === 1, "the old pods' end");
      const removing = await runToEnd({ cluster, cwd: project.root, args: ["gc"] });
      expect(removing).toMatchObject({ code: 0, stderr: "" });
      expect(removing.stdout).toMatch(/  removed\n[^]*\nremoved 2 builds, \d.*\n$/);
      expect(await tags(web)).toHaveLength(1);
      expect(await inNode()).toHaveLength(inCluster ? 1 : 0);
    } finally {
      if (inCluster) {
        const ctr = ["exec", cluster.node, "ctr", "--namespace", "k8s.io", "images"];
        const names = (await shell("docker", ...ctr, "ls", "-q")).split("\n");
        await shell("docker", ...ctr, "rm", ...names.filter((ref) => ref.includes(`/${project.namespace}/`)));
      } else await api(cluster).remove(`/api/v1/namespaces/${project.namespace}`);
      for (const ref of [...(await tags(web)), ...(await tags(other))]) await shell("docker", "rmi", ref);
    }
  });
});
