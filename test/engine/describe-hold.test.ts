import { expect, it } from "vitest";
import { describeHold } from "../../src/engine/describe-hold.js";

it.each([
  [{ reason: "paused" }, "paused"],
  [{ reason: "starting", on: "the cluster" }, "waits for the cluster"],
  [{ reason: "dependency", on: "build:ghcr.io/acme/web" }, "waits for build of web"],
  [{ reason: "failed-input", on: "render:k8s/overlays/dev" }, "render of dev failed"],
  [{ reason: "slot", limit: 2 }, "waits for a free slot (2 builds at once)"],
  [{ reason: "unreachable", service: "engine" }, "waits for the container engine"],
] as const)("%o: %s", (hold, text) => {
  expect(describeHold(hold)).toBe(text);
});
