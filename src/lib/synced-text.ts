import { count } from "./format.js";
import { lastPart } from "./short-name.js";

/** What a sync did to one container. */
interface Done {
  readonly written: number;
  readonly removed: number;
  readonly restarted: boolean;
  readonly commands: number;
}

/**
 * What a sync did, in words: "2 files synced, restarted", "main.js synced in 3 containers"; undefined when nothing was to be done.
 * `changed` are the paths that changed last: where the sync was of one file, it is named.
 */
export function syncedText(containers: readonly Done[], changed: readonly string[]): string | undefined {
  const touched = containers.filter(
    ({ written, removed, restarted, commands }) => written + removed + commands > 0 || restarted,
  );
  if (touched.length === 0) return undefined;
  const most = (amount: "written" | "removed" | "commands"): number =>
    Math.max(...touched.map((container) => container[amount]));
  const [written, removed, commands] = [most("written"), most("removed"), most("commands")];
  const only = written + removed === 1 && changed.length === 1 ? lastPart(changed[0] ?? "") : undefined;
  const did = [
    written > 0 ? `${only ?? count(written, "file")} synced` : undefined,
    removed > 0 ? `${only ?? count(removed, "file")} removed` : undefined,
    commands > 0 ? `${count(commands, "command")} run` : undefined,
    touched.some(({ restarted }) => restarted) ? "restarted" : undefined,
  ].filter((part) => part !== undefined);
  return `${did.join(", ")}${touched.length === 1 ? "" : ` in ${touched.length} containers`}`;
}
