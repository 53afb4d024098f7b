import { execa } from "execa";
import { DevloopError } from "../lib/errors.js";

/** Opens an address with what the desktop has for it. Throws TOOL_MISSING where there is nothing, as over SSH. */
export async function openInBrowser(url: string): Promise<void> {
  // Nothing but a web address is handed to the desktop.
  const address = new URL(url);
  if (address.protocol !== "http:" && address.protocol !== "https:") return;
  const openers: readonly (readonly [string, ...string[]])[] =
    process.platform === "darwin"
      ? [["open"]]
      : process.platform === "win32"
        ? [["explorer"]]
        : [["xdg-open"], ["wslview"]];
  for (const [file, ...args] of openers) {
    const { failed } = await execa(file, [...args, address.href], {
      reject: false,
      stdio: "ignore",
      timeout: 5_000,
    });
    if (!failed) return;
  }
  throw new DevloopError("TOOL_MISSING", `no browser could be opened here: ${url}`);
}
