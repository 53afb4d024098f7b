import { expect, it } from "vitest";
import { levelOf } from "../../src/output/logs/level.js";

it.each([
  ['{"level":"warn","msg":"slow"}', "warn"],
  ['{"time":"2026-01-02","severity":"ERROR","message":"no"}', "error"],
  ['{"level":30,"msg":"pino"}', "info"],
  ['{"level":50,"msg":"pino"}', "error"],
  ['{"msg":"an error happened"}', undefined],
  ['time=2026-01-02T03:04:05Z level=debug msg="x"', "debug"],
  ["E0102 15:04:05.123456       1 main.go:12] no", "error"],
  ["W0102 15:04:05.123456       1 main.go:12] hm", "warn"],
  ["[INFO] started", "info"],
  ["2026-01-02 03:04:05 [warn] slow", "warn"],
  ["2026-01-02T03:04:05.678Z ERROR server failed", "error"],
  ["2026-01-02 03:04:05,678 WARNING root: hm", "warn"],
  ["INFO:     Uvicorn running on http://0.0.0.0:8888", "info"],
  ["\u001b[31merror\u001b[0m: it broke", "error"],
  ["\u001b[32mINFO\u001b[0m ready", "info"],
  ["npm warn deprecated x", "warn"],
  ["npm ERR! code 1", "error"],
  ["panic: runtime error: index out of range", "fatal"],
  ["TypeError: x is not a function", "error"],
  ["Traceback (most recent call last):", "error"],
  ["GET /errors 200", undefined],
  ["no errors found", undefined],
  ["information about the weather", undefined],
  ["", undefined],
])("%s", (text, level) => {
  expect(levelOf(text)).toBe(level);
});
