import { expect, it } from "vitest";
import { containerBody } from "../../src/docker/target/container-body.js";
import { volumePlaces } from "../../src/docker/target/volumes.js";

function mounts(mountsParts: boolean): object {
  const volumeMounts = [{ name: "v", mountPath: "/one", subPath: "a" }];
  const container = { name: "c", image: "i", volumeMounts };
  const spec = { containers: [container], volumes: [{ name: "v", emptyDir: {} }] };
  const places = volumePlaces(spec, { claims: "claims", own: "own" });
  const find = { config: () => undefined } as never;
  const pod = { name: "p", namespace: "n", uid: "u", labels: {}, annotations: {} } as never;
  const { body } = containerBody(container, spec, pod, {
    ...{ hold: "h", imageUser: "", places, hostPaths: [], mountsParts, labels: {}, find, links: new Map<string, string>() },
  });
  return body;
}

// An engine that does not know how would mount the whole volume, and say nothing.
it("mounts a part of a volume where the engine can, and refuses to where it cannot", () => {
  expect(mounts(true)).toMatchObject({ HostConfig: { Mounts: [{ VolumeOptions: { Subpath: "a" } }] } });
  expect(() => mounts(false)).toThrow(
    "container c mounts a of volume v alone, for which the engine must be Docker 26 or newer",
  );
});
