import { existsSync } from "node:fs";
import { join } from "node:path";
import { capture, root } from "./programs.js";

/** @typedef {{ name: string, status: "ok" | "warn" | "fail", message: string, fix?: string }} Check */

/**
 * What `devloop doctor` says of this machine, by the name of the check; undefined as long as devloop is not built.
 * @returns {Promise<Record<string, Check> | undefined>}
 */
export async function askDoctor() {
  const command = join(root, "dist/cli.js");
  if (!existsSync(command)) return undefined;
  const { stdout } = await capture(process.execPath, [command, "doctor", "--json"], { timeoutMs: 60_000 });
  try {
    /** @type {unknown} */
    const parsed = JSON.parse(stdout);
    const { checks } = /** @type {{ checks: Check[] }} */ (parsed);
    return Object.fromEntries(checks.map((check) => [check.name, check]));
  } catch {
    return undefined;
  }
}
