import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, vi } from "vitest";
import type { ResourceDetails } from "../../src/engine/loop-control.js";
import type { State } from "../../src/engine/state.js";
import type { Hold } from "../../src/engine/task.js";
import { createLogStore } from "../../src/output/logs/log-store.js";
import { startUi, type UiOptions } from "../../src/ui/start-ui.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import { sampleState, sampleTime } from "../fakes/state.js";
import { openTestTerminal } from "./terminal.js";
import { eventually } from "../eventually.js";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

export interface ScreenOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly hold?: Hold;
  readonly details?: Partial<ResourceDetails>;
  readonly alarm?: UiOptions["alarm"];
  readonly tools?: Partial<UiOptions["tools"]>;
}

/** The whole screen on a terminal in memory, over a state that the test gives, once it is drawn. */
export async function openScreen(state: State = sampleState(), options: ScreenOptions = {}) {
  const { columns = 100, rows = 24, hold } = options;
  const store = scriptedStore(state);
  const directory = mkdtempSync(join(tmpdir(), "devloop-screen-"));
  const logs = createLogStore(join(directory, "logs"));
  const terminal = openTestTerminal(columns, rows);
  const control = {
    trigger: vi.fn(),
    restart: vi.fn(),
    pause: vi.fn(),
    resume: vi.fn(),
    setSync: vi.fn(),
    focus: vi.fn(),
    stop: vi.fn(),
  };
  const actions = { quit: vi.fn(), interrupt: vi.fn() };
  const tools = { open: vi.fn(() => Promise.resolve()), save: vi.fn(() => Promise.resolve("saved.log")) };
  const details: ResourceDetails = {
    manifest: () => Promise.resolve(undefined),
    describe: () => Promise.resolve("nothing to tell\n\nevents\n  none\n"),
    previousLogs: () => Promise.resolve(""),
    ...options.details,
  };
  const ui = startUi({
    ...{ store, logs, control, details, ...actions },
    tools: { ...tools, ...options.tools },
    stdin: terminal.stdin,
    stdout: terminal.stdout,
    holdOf: (_, id) => (id === "build:monitor-test" ? hold : undefined),
    version: "0.1.0",
    color: false,
    now: () => sampleTime + 12_000,
    ...(options.alarm ? { alarm: options.alarm } : {}),
  });
  const close = async (): Promise<void> => {
    ui.unmount();
    await ui.waitUntilExit();
    await logs[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
  closers.push(close);
  const frame = (): string => terminal.rows().join("\n");
  const line = (text: string): string => terminal.rows().find((each) => each.includes(text)) ?? "";
  /** Waits for a frame with the text in it: keys and events reach the screen a moment later. */
  const see = (text: string | RegExp): Promise<void> =>
    eventually(() => {
      if (typeof text === "string") expect(frame()).toContain(text);
      else expect(frame()).toMatch(text);
    });
  const press = async (keys: string, text: string | RegExp): Promise<void> => {
    terminal.stdin.push(keys);
    await see(text);
  };
  await see("devloop");
  return {
    ui,
    store,
    logs,
    control,
    actions,
    tools,
    terminal,
    frame,
    line,
    lines: () => terminal.rows(),
    see,
    press,
    close,
  };
}
