import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// `npm test` runs the projects one after another: unit and integration first, then end-to-end on the cluster.
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.{ts,tsx}"],
          exclude: ["test/e2e/**", "test/**/*.integration.test.ts"],
          testTimeout: 20_000,
          // Left to itself, vitest leaves one core idle: half of a machine that has two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
        },
      },
      {
        test: {
          // Needs a container engine or a cluster: says so and is left out where none answers (never with CI=true).
          name: "integration",
          include: ["test/**/*.integration.test.ts"],
          exclude: ["test/e2e/**"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
