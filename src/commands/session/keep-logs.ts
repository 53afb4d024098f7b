import { rmSync } from "node:fs";
import { newLogDirectory, removeEndedLogs } from "../../output/logs/log-directory.js";
import { createLogStore, type LogStore } from "../../output/logs/log-store.js";
import { recordTaskOutput } from "../../output/record-task-output.js";
import type { Environment } from "./adapters.js";
import type { Session } from "./session.js";
import { stateFiles, statePath } from "./state-file.js";

/**
 * Keeps a session's log lines, and what its tasks print, for screens and other clients: in files of the state directory, which go with the
 * store. What sessions that crashed left goes now.
 */
export function keepLogs(
  { store, logs }: Pick<Session, "store" | "logs">,
  { root, env }: { readonly root: string; readonly env: Environment },
): LogStore {
  const parent = statePath(root, env, "logs");
  const directory = newLogDirectory(parent);
  // Of every project: one that was removed, or is not worked on any more, would keep its files for good.
  void stateFiles("logs", env).then(async (all) => {
    for (const { path } of all) await removeEndedLogs(path, directory);
  });
  const kept = createLogStore(directory);
  // A process that ends at once, as at a second ctrl-c, disposes of nothing.
  const removeNow = (): void => {
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", removeNow);
  const endings = [
    logs.subscribeLines((lines) => {
      kept.append(lines);
    }),
    logs.addDrain(() => kept.drain()),
    recordTaskOutput(store, kept),
  ];
  return {
    ...kept,
    async [Symbol.asyncDispose]() {
      for (const end of endings) end();
      await kept[Symbol.asyncDispose]();
      process.off("exit", removeNow);
    },
  };
}
