import { expect, it } from "vitest";
import { forDevelopment } from "../../../src/migrate/convert/emit/dev.js";
import { mapAt, unnoted } from "../../../src/migrate/convert/tree.js";

const deployment = {
  kind: "Deployment",
  spec: {
    template: {
      spec: {
        containers: [
          { image: "web", securityContext: { runAsUser: 7, readOnlyRootFilesystem: true } },
          { image: "sidecar", securityContext: { readOnlyRootFilesystem: true } },
        ],
      },
    },
  },
};

it("opens the file system of a container that files are synced into, and no other", () => {
  const tuned = forDevelopment(deployment, new Set(["web"]));
  const containers = mapAt(tuned, "spec", "template", "spec")["containers"] as readonly object[];
  const [web, sidecar] = containers.map((container) => mapAt(unnoted(container as never), "securityContext"));
  expect(web?.["runAsUser"]).toBe(7);
  expect(unnoted(web?.["readOnlyRootFilesystem"])).toBe(false);
  expect(sidecar).toEqual({ readOnlyRootFilesystem: true });
});
