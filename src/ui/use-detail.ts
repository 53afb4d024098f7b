import { useEffect, useState } from "react";
import type { ResourceDetails } from "../engine/loop-control.js";
import type { WorkloadState } from "../engine/state.js";
import { errorText } from "../lib/errors.js";
import type { Detail } from "./panes/pane.js";
import type { Tab } from "./screen-state.js";

/** Asks for what a tab shows of a workload, and again when something about it has changed. Undefined where nothing is asked. */
export function useDetail(
  details: ResourceDetails,
  workload: WorkloadState | undefined,
  {
    tab,
    previous,
  }: { readonly tab: Tab; /** The run before the last restart. */ readonly previous: boolean },
): Detail | undefined {
  const [known, setKnown] = useState<{ readonly key: string; readonly detail: Detail }>();
  const asks =
    workload !== undefined && (tab === "pods" || tab === "manifest" || (tab === "logs" && previous));
  const key = asks ? `${tab} ${workload.id}` : undefined;
  const version = !asks
    ? ""
    : tab === "manifest"
      ? String(workload.expected)
      : JSON.stringify([
          workload.expected,
          workload.health?.status,
          workload.health?.ready,
          workload.health?.restarts,
        ]);
  const id = workload?.id;

  useEffect(() => {
    if (key === undefined || id === undefined) return;
    const end = new AbortController();
    const { signal } = end;
    const ask = async (): Promise<Detail> =>
      key.startsWith("manifest")
        ? { status: "manifest", manifest: await details.manifest(id, { signal }) }
        : key.startsWith("logs")
          ? { status: "previous", text: await details.previousLogs(id, { signal }) }
          : { status: "described", text: await details.describe(id, { signal }) };
    ask()
      .catch((error: unknown): Detail => ({ status: "failed", message: errorText(error) }))
      .then((detail) => {
        if (!signal.aborted) setKnown({ key, detail });
      })
      .catch(() => undefined);
    return () => {
      end.abort();
    };
  }, [details, id, key, version]);

  if (key === undefined) return undefined;
  // What was told of the same before stays until the new answer is there.
  return known?.key === key ? known.detail : { status: "loading" };
}
