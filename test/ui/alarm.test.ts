import { describe, expect, it } from "vitest";
import { alarmBytes, desktopAlarm } from "../../src/ui/use-alarm.js";
import { sampleEvents } from "../output/sample-events.js";
import { sampleState } from "../fakes/state.js";
import { openScreen } from "./open-screen.js";
import { building, failedBuild } from "./states.js";
import { eventually } from "../eventually.js";

describe("a failure", () => {
  it("rings once when the loop turns bad, and again only after it was well", async () => {
    const { store, terminal, see } = await openScreen(building(), { alarm: { kind: "bell" } });
    const rung = (): number => terminal.written().split("\u0007").length - 1;
    expect(rung()).toBe(0);
    store.tell(sampleEvents["task.failed"], failedBuild());
    await see("✗ monitor-agent failed");
    await eventually(() => {
      expect(rung()).toBe(1);
    });
    store.tell(sampleEvents["loop.paused"], { ...failedBuild(), paused: true });
    await see("paused");
    store.tell(sampleEvents["loop.resumed"], sampleState());
    await see("ready in");
    expect(rung()).toBe(1);
    store.tell(sampleEvents["task.failed"], failedBuild());
    await eventually(() => {
      expect(rung()).toBe(2);
    });
  });

  it("is a notification of the desktop in the words of the terminal, which can hold no sequence of its own", () => {
    const what = { project: "shop", text: "web failed; see\u001b]0;x\u0007" };
    expect(alarmBytes(desktopAlarm({ TERM: "xterm-256color" }), what)).toBe(
      "\u001b]9;devloop shop: web failed  see ]0 x \u0007",
    );
    expect(alarmBytes(desktopAlarm({ TERM: "foot" }), what)).toMatch(/^\u001b\]777;notify;devloop shop;web/);
    expect(alarmBytes(desktopAlarm({ VTE_VERSION: "7200" }), what)).toMatch(/^\u001b\]777;/);
    expect(alarmBytes({ kind: "off" }, what)).toBe("");
  });
});

describe("the mouse", () => {
  it("selects by a click and scrolls by the wheel once it is the screen's, and is the terminal's at first", async () => {
    const { terminal, line, press, see } = await openScreen();
    expect(terminal.written()).not.toContain("\u001b[?1006h");
    await press("m", "a click selects");
    expect(terminal.written()).toContain("\u001b[?1006h");
    const row = terminal.rows().findIndex((text) => text.includes("monitor-test")) + 1;
    terminal.stdin.push(`\u001b[<0;5;${row}M`);
    await eventually(() => {
      expect(line("monitor-test")).toContain("›");
    });
    await press("m", "the mouse is the terminal's again");
    expect(terminal.written()).toContain("\u001b[?1006l");
    await see("monitor-test");
  });
});
