import { describe, expect, it } from "vitest";
import { buildProgress } from "../../src/build/build-progress.js";
import type { BuildStep } from "../../src/build/steps.js";

function step(name: string, fields: Partial<BuildStep> = {}): BuildStep {
  const [, stage = "", index, instruction = ""] = /^\[(?:(.*) )?(\d+)\/\d+\] (.*)$/.exec(name) ?? [];
  const place = index === undefined ? {} : { place: { stage, index: Number(index) } };
  return { digest: name, name, instruction, cached: false, lines: [], ...place, ...fields };
}

describe("buildProgress", () => {
  it("tells every step's state, time, amount and last lines", () => {
    const lines = ["1", "2", "3", "4", "5", "6"];
    const { steps, ...rest } = buildProgress([
      step("[internal] load build definition", {
        started: 0,
        completed: 5,
        transfer: { current: 2, total: 0 },
      }),
      step("[internal] load build context", {
        started: 0,
        completed: 20,
        transfer: { current: 1_200_000, total: 0 },
      }),
      step("[build 1/3] FROM node", { started: 10, completed: 10, cached: true }),
      step("[build 2/3] RUN npm ci", { started: 30, lines }),
      step("[build 3/3] COPY . ."),
    ]);
    expect(rest).toEqual({ message: "step 2 of 3: RUN npm ci", done: 1, total: 3 });
    expect(steps).toEqual([
      {
        name: "load build context",
        status: "done",
        startedAt: 0,
        took: 20,
        transfer: { current: 1_200_000 },
        lines: [],
      },
      { name: "FROM node", place: "build 1", status: "cached", startedAt: 10, took: 0, lines: [] },
      { name: "RUN npm ci", place: "build 2", status: "running", startedAt: 30, lines: lines.slice(1) },
      { name: "COPY . .", place: "build 3", status: "waiting", lines: [] },
    ]);
  });

  it("tells steps stage by stage as they began, each from the top", () => {
    const { steps } = buildProgress([
      step("[stage-1 2/3] COPY . .", { started: 20 }),
      step("[later 1/2] RUN x"),
      step("[stage-1 3/3] RUN y"),
      step("[build 2/2] RUN z", { started: 12 }),
      step("[stage-1 1/3] FROM b", { started: 15, completed: 15 }),
      step("[build 1/2] FROM a", { started: 10, completed: 11 }),
    ]);
    expect(steps?.map(({ place }) => place)).toEqual([
      "build 1",
      "build 2",
      "stage-1 1",
      "stage-1 2",
      "stage-1 3",
      "later 1",
    ]);
  });

  it("says how much of a base image is there, and what is at work before any step is known", () => {
    const pulling = step("[1/2] FROM node", {
      started: 0,
      transfer: { current: 3_000_000, total: 40_000_000 },
    });
    expect(buildProgress([pulling]).message).toBe("step 1 of 1: FROM node (3.0 MB of 40 MB)");
    expect(buildProgress([step("[internal] load .dockerignore", { started: 0 })]).message).toBe(
      "load .dockerignore",
    );
    expect(buildProgress([]).message).toBe("working");
    expect(
      buildProgress([step("[1/1] RUN x", { started: 1, completed: 3, error: "exit code: 1" })]).steps,
    ).toMatchObject([{ status: "failed", took: 2 }]);
  });
});
