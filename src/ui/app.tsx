import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { LogSource } from "../engine/log-source.js";
import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import { loopSummary } from "../engine/phase.js";
import { resourcesOf } from "../engine/resources.js";
import type { State } from "../engine/state.js";
import type { Hold, TaskId } from "../engine/task.js";
import { useSelect } from "./context.js";
import type { FrameWriter } from "./frame-writer.js";
import { frameOf } from "./frame.js";
import { layoutOf } from "./layout.js";
import { paint } from "./line.js";
import { filterOf } from "./log-filter.js";
import { bannersOf } from "./overview.js";
import { paneOf } from "./panes/pane-of.js";
import { screenRows } from "./rows.js";
import { selectedRow, shownRow, shownTab, startState, type ScreenState } from "./screen-state.js";
import type { Theme } from "./theme.js";
import type { ScreenTools } from "./tools.js";
import { useAlarm, type Alarm } from "./use-alarm.js";
import { useDetail } from "./use-detail.js";
import { useKeys } from "./use-keys.js";
import { useLogLines } from "./use-log-lines.js";
import { usePhases } from "./use-phases.js";
import { useSize } from "./use-size.js";
import { useTick } from "./use-tick.js";

/** How long the frame before stands while a pane's lines are read, in ms. */
const staleMs = 40;

export interface AppProps {
  readonly logs: LogSource;
  readonly control: LoopControl;
  readonly details: ResourceDetails;
  readonly tools: ScreenTools;
  /** Why a task waits; undefined when it does not. */
  readonly holdOf: (state: State, id: TaskId) => Hold | undefined;
  readonly writer: FrameWriter;
  readonly stdout: NodeJS.WriteStream;
  readonly theme: Theme;
  readonly alarm: Alarm;
  readonly version: string;
  /** Leaves the screen: the loop's end, or not, is not the screen's to say. */
  readonly quit: () => void;
  /** The same on ctrl-c, which is no signal while the terminal hands every key over. */
  readonly interrupt: () => void;
  /** ms since the epoch. */
  readonly now: () => number;
}

/**
 * The whole screen. Ink has the keyboard and the component's life; what stands on the terminal is a list of lines, made here and written by
 * the frame writer: laying a full screen of text out as a tree of boxes takes Ink 12 ms, twenty times a second.
 */
export function App(props: AppProps) {
  const { logs, control, details, holdOf, writer, stdout, theme, version, now } = props;
  const state = useSelect((all) => all);
  const forget = useCallback(() => {
    writer.forget();
  }, [writer]);
  const size = useSize(stdout, forget);
  const [screen, setScreen] = useState<ScreenState>(startState);
  const resources = useMemo(() => resourcesOf(state, (id) => holdOf(state, id)), [state, holdOf]);
  const rows = useMemo(() => screenRows(state, resources), [state, resources]);
  const phases = usePhases(state);
  const time = now();
  const summary = loopSummary(state, resources);
  // Idle, nothing young on the screen: a slow tick keeps the processor asleep.
  const lively = summary.health === "busy" || rows.some((row) => time - (row.since ?? 0) < 60_000);
  useTick(lively ? 1000 : 15_000);
  useAlarm(summary, { alarm: props.alarm, project: state.project.name, send: writer.send });

  const row = shownRow(screen, rows);
  const tab = shownTab(screen, row);
  const workload = row?.kind === "workload" ? state.workloads[row.subject] : undefined;
  const previous = screen.logs.previous === true;
  const detail = useDetail(details, workload, { tab, previous });
  const { columns } = size;
  const pane = paneOf(row, tab, rows, { state, now: time, columns, detail, previous, phases });
  const selected = selectedRow(screen, rows);
  const layout = layoutOf(size, {
    failures: bannersOf(state),
    rows,
    selected: selected?.id,
    head: pane.head,
    full: screen.full,
  });
  const filter = filterOf(pane, screen.logs);
  const window = useLogLines(logs, filter, { place: screen.place, count: layout.body });

  const frame = frameOf({
    ...{ state, rows, row, tab, pane, selected, screen, summary, layout, window, size, theme, version },
    now: time,
  });
  const painted = frame.lines.map((each) => paint(each, columns, theme));
  const { stale } = window;
  // What a person asked for is not kept waiting: their own choices, and the window's size.
  const answered = useRef<readonly unknown[]>([]);
  useLayoutEffect(() => {
    if (!stale) {
      const [shownScreen, shownSize] = answered.current;
      answered.current = [screen, size];
      writer.draw(painted, { urgent: shownScreen !== screen || shownSize !== size });
      return;
    }
    // An empty pane for the moment until its lines are read would flicker.
    const timer = setTimeout(() => {
      writer.draw(painted);
    }, staleMs);
    return () => {
      clearTimeout(timer);
    };
  });

  const [mouse, setMouse] = useState(false);
  const [suspended, setSuspended] = useState(false);
  /** Told when the keyboard is let go of: another reader would get only some of the keys before that. */
  const resting = useRef<() => void>(undefined);
  useEffect(() => {
    if (suspended) resting.current?.();
  }, [suspended]);
  const suspend = async (during: () => Promise<void>): Promise<void> => {
    await new Promise<void>((resolve) => {
      resting.current = resolve;
      setSuspended(true);
    });
    writer.suspend();
    try {
      await during();
    } finally {
      writer.resume();
      setSuspended(false);
    }
  };

  useKeys({
    ...{ state, rows, row, tab, pane, screen, layout, window, filter, setScreen, size },
    ...{ logs, control, details, writer },
    tools: props.tools,
    text: frame.text,
    visible: frame.visible,
    quit: props.quit,
    interrupt: props.interrupt,
    suspend,
    mouse: {
      on: mouse,
      set: (on) => {
        writer.mouse(on);
        setMouse(on);
      },
    },
    active: !suspended,
  });
  return null;
}
