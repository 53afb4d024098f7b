import { expect, it } from "vitest";
import { syncedText } from "../../src/lib/synced-text.js";

const nothing = { written: 0, removed: 0, restarted: false, commands: 0 };

it("names the one file that was synced, counts more than one, and says what followed", () => {
  const one = { ...nothing, written: 1 };
  expect(syncedText([one], ["web/src/main.js"])).toBe("main.js synced");
  expect(syncedText([{ ...one, restarted: true }], ["web/src/main.js"])).toBe("main.js synced, restarted");
  expect(syncedText([{ ...nothing, removed: 1 }], ["web/src/old.js"])).toBe("old.js removed");
  expect(syncedText([{ ...nothing, written: 2, removed: 1, commands: 1 }], ["a", "b", "c"])).toBe(
    "2 files synced, 1 file removed, 1 command run",
  );
});

it("names no file where others changed than were synced", () => {
  expect(syncedText([{ ...nothing, written: 1 }], [])).toBe("1 file synced");
  expect(syncedText([{ ...nothing, written: 3 }], ["main.js"])).toBe("3 files synced");
});

it("counts the containers that something was done in, and says nothing where there are none", () => {
  const one = { ...nothing, written: 1 };
  expect(syncedText([one, nothing], ["main.js"])).toBe("main.js synced");
  expect(syncedText([one, one], ["main.js"])).toBe("main.js synced in 2 containers");
  expect(syncedText([nothing], ["main.js"])).toBeUndefined();
});
