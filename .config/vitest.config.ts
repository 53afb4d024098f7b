import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** A second, as vitest has it, is less than a busy machine may need for anything. */
const patient = { poll: { timeout: 30_000 } };

// `npm test` runs the projects one after another: unit and integration first, then end-to-end on the cluster.
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: "unit",
          expect: patient,
          include: ["test/**/*.test.{ts,tsx}"],
          exclude: ["test/e2e/**", "test/**/*.integration.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Left to itself, vitest leaves one core idle: half of a machine that has two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
        },
      },
      {
        test: {
          // Needs a container engine or a cluster: says so and is left out where none answers (never with CI=true).
          name: "integration",
          expect: patient,
          include: ["test/**/*.integration.test.ts"],
          exclude: ["test/e2e/**"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          expect: patient,
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
