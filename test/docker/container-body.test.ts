import { expect, it } from "vitest";
import { containerBody } from "../../src/docker/target/container-body.js";
import { environmentOf } from "../../src/docker/target/environment.js";
import { volumePlaces } from "../../src/docker/target/volumes.js";

const pod = { name: "p", namespace: "n", uid: "u", labels: {}, annotations: {} } as never;

function mounts(mountsParts: boolean): object {
  const volumeMounts = [{ name: "v", mountPath: "/one", subPath: "a" }];
  const container = { name: "c", image: "i", volumeMounts };
  const spec = { containers: [container], volumes: [{ name: "v", emptyDir: {} }] };
  const places = volumePlaces(spec, { claims: "claims", own: "own" });
  const find = { config: () => undefined } as never;
  const { body } = containerBody(container, spec, pod, {
    ...{
      hold: "h",
      imageUser: "",
      places,
      hostPaths: [],
      mountsParts,
      labels: {},
      find,
      links: new Map<string, string>(),
    },
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

// As Kubernetes has it since 1.32; the cluster of the comparing tests may be older.
it("takes names of variables that begin with a digit from a config map", () => {
  const container = { name: "c", envFrom: [{ configMapRef: { name: "settings" } }] };
  const data = { "1PASSWORD": "a", "a b": "b", "c=d": "c", é: "d" };
  const find = () => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data });
  const env = environmentOf(container, pod, find, { containers: [], links: new Map() });
  expect([...env]).toEqual([
    ["1PASSWORD", "a"],
    ["a b", "b"],
  ]);
});
