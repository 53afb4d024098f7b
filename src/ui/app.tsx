import { useMemo, useSyncExternalStore } from "react";
import { Box, Text } from "ink";
import type { Store } from "../engine/store.js";
import { Banners, bannersHeight, bannersOf } from "./banners.js";
import { useSelect } from "./context.js";
import type { LogSource } from "./detail-lines.js";
import { detailsOf } from "./details.js";
import { DetailsPane } from "./details-pane.js";
import { Header } from "./header.js";
import { Help } from "./help.js";
import { loopSummary } from "./loop-summary.js";
import { screenRows, type HoldOf, type Row } from "./rows.js";
import { Table, tableLines, visiblePart } from "./table.js";
import { useTheme } from "./theme.js";
import { useKeys, type UiActions } from "./use-keys.js";
import { useSize } from "./use-size.js";
import { useTick } from "./use-tick.js";
import { selectedRow, shownRow } from "./view.js";

export interface AppProps {
  readonly dispatch: Store["dispatch"];
  readonly logs: LogSource;
  readonly actions: UiActions;
  readonly holdOf: HoldOf;
  readonly version: string;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** With fewer lines than this there is only the first one. */
const leastHeight = 8;

/** The whole screen, in one line less than the terminal has: a full one would scroll. */
export function App({ dispatch, logs, actions, holdOf, version, now }: AppProps) {
  const state = useSelect((all) => all);
  const { columns, rows: terminalRows } = useSize();
  const rows = useMemo(() => screenRows(state, holdOf), [state, holdOf]);
  const { view, help } = useKeys(rows, { dispatch, actions });
  useSyncExternalStore(logs.subscribe, logs.getVersion);
  const time = now();
  const summary = loopSummary(state, rows);
  // Idle, nothing young on the screen: a slow tick keeps the processor asleep.
  const lively = summary.health === "busy" || rows.some((row) => time - (row.since ?? 0) < 60_000);
  useTick(lively ? 1000 : 15_000);

  const selected = selectedRow(view, rows);
  const height = Math.max(1, terminalRows - 1);
  if (height < leastHeight) return <Header state={state} summary={summary} now={time} columns={columns} />;

  const banners = bannersOf(state);
  const bannerLines = bannersHeight(banners, height);
  const middle = height - 2 - bannerLines;
  const all = tableLines(rows);
  const tableHeight = Math.min(all.length, middle - Math.max(3, Math.floor(middle * 0.4)));
  const part = visiblePart(all, tableHeight, selected?.id);
  const paneHeight = middle - tableHeight;
  return (
    <Box flexDirection="column" width={columns} height={height} overflow="hidden">
      <Header state={state} summary={summary} now={time} columns={columns} />
      <Banners banners={banners} height={bannerLines} />
      {help ? (
        <Help height={middle} version={version} />
      ) : (
        <>
          <Table lines={part.lines} rows={rows} selected={selected?.id} columns={columns} now={time} />
          <DetailsPane
            details={detailsOf(shownRow(view, rows), { state, logs, lines: paneHeight - 1, now: time })}
            columns={columns}
            height={paneHeight}
            note={hiddenNote(all.length, part.lines.length)}
          />
        </>
      )}
      <Footer selected={selected} paused={state.paused} help={help} columns={columns} />
    </Box>
  );
}

function Footer(props: {
  readonly selected: Row | undefined;
  readonly paused: boolean;
  readonly help: boolean;
  readonly columns: number;
}) {
  const { dim } = useTheme();
  const { selected, paused, help, columns } = props;
  const subject = !selected || selected.kind === "forward" ? "all" : selected.name;
  const keys = help
    ? ["? back", "q quit"]
    : [
        selected?.kind === "deploy" ? "r apply again" : `r rebuild ${subject}`,
        paused ? "p go on" : "p pause",
        // The help page tells of these too.
        ...(columns < 80 ? [] : ["j/k select", "a all logs"]),
        "? help",
        "q quit",
      ];
  return (
    <Box flexShrink={0} height={1}>
      <Text {...dim} wrap="truncate">
        {keys.join("   ")}
      </Text>
    </Box>
  );
}

function hiddenNote(all: number, shown: number): string {
  return all > shown ? `${all - shown} more rows: j/k` : "";
}
