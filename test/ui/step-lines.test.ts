import { expect, it } from "vitest";
import { stepLines } from "../../src/ui/step-lines.js";

it("a running build's steps are a line each, with what those that run printed under them", () => {
  const lines = stepLines(
    [
      {
        name: "load build context",
        status: "done",
        startedAt: 0,
        took: 210,
        transfer: { current: 1_200_000 },
        lines: [],
      },
      { name: "FROM node:20", place: "build 1", status: "cached", startedAt: 0, took: 0, lines: [] },
      {
        name: "RUN npm ci",
        place: "build 2",
        status: "running",
        startedAt: 1000,
        lines: ["added 3 packages"],
      },
      { name: "RUN false", place: "test 2", status: "failed", startedAt: 0, took: 40, lines: [] },
      { name: "COPY . .", place: "build 3", status: "waiting", lines: [] },
      {
        name: "FROM x",
        place: "1",
        status: "running",
        startedAt: 3000,
        transfer: { current: 1e6, total: 4e7 },
        lines: [],
      },
    ],
    3500,
  );
  expect(lines).toEqual([
    "●          load build context  210 ms, 1.2 MB",
    "● build 1  FROM node:20  cached",
    "◐ build 2  RUN npm ci  2.5 s",
    "    added 3 packages",
    "✗ test 2   RUN false  failed after 40 ms",
    "○ build 3  COPY . .  waits",
    "◐ 1        FROM x  500 ms, 1.0 MB of 40 MB",
  ]);
});
