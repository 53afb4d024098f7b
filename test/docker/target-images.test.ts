import { describe, expect, it } from "vitest";
import { deployedImages } from "../../src/docker/target/image-uses.js";
import { label } from "../../src/docker/target/labels.js";
import { removeUnusedPodImages, unusedPodImages } from "../../src/docker/target/pod-image.js";
import { type EngineContainer, EngineStatusError } from "../../src/engine/container-engine.js";

const { signal } = new AbortController();
const own = "linux/amd64";

function container(fields: Partial<EngineContainer>): EngineContainer {
  return { id: "c", name: "c", labels: {}, running: false, ports: {}, ...fields };
}

describe("images that the docker target needs", () => {
  it("are those of workloads without pods too", async () => {
    const spec = { initContainers: [{ image: "tool:devloop-1" }], containers: [{ image: "web:devloop-2" }] };
    const metadata = { name: "report", namespace: "dev" };
    const workload = { kind: "CronJob", metadata, spec: { jobTemplate: { spec: { template: { spec } } } } };
    const record = container({ labels: { [label.workload]: JSON.stringify(workload) } });
    const images = await deployedImages({ containers: () => Promise.resolve([record, record]) }, { signal });
    expect([...images]).toEqual([
      ["tool:devloop-1", "CronJob dev/report"],
      ["web:devloop-2", "CronJob dev/report"],
    ]);
  });

  it("are not those of its own program that another version made, once nothing uses them", async () => {
    const sizes = { createdAt: 0, size: 1 };
    const images = [
      { id: "used", tags: ["devloop/pod:000000000001"], ...sizes },
      { id: "old", tags: ["devloop/pod:000000000002", "mine:1"], ...sizes },
      { id: "older", tags: ["devloop/pod:000000000003"], ...sizes },
      { id: "web", tags: ["web:devloop-0123456789abcdef"], ...sizes },
    ];
    const engine = {
      images: () => Promise.resolve(images),
      containers: () => Promise.resolve([container({ imageId: "used" })]),
      untagImage: (ref: string) =>
        ref.endsWith("3") ? Promise.reject(new EngineStatusError(409, "in use by now")) : Promise.resolve(),
    };
    const found = ["devloop/pod:000000000002", "devloop/pod:000000000003"];
    expect(await unusedPodImages(engine, own, { signal })).toEqual(found);
    expect(await removeUnusedPodImages(engine, own, { signal })).toEqual(found.slice(0, 1));
  });
});
