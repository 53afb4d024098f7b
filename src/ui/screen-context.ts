import type { LogFilter, LogSource } from "../engine/log-source.js";
import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import type { State } from "../engine/state.js";
import type { FrameWriter } from "./frame-writer.js";
import type { Layout } from "./layout.js";
import type { Pane } from "./panes/pane.js";
import type { Row } from "./rows.js";
import type { ScreenState, Tab } from "./screen-state.js";
import type { ScreenTools } from "./tools.js";
import type { LogWindow } from "./use-log-lines.js";
import type { Size } from "./use-size.js";

/** What there is when a key is pressed. */
export interface ScreenContext {
  readonly state: State;
  readonly rows: readonly Row[];
  readonly row: Row | undefined;
  readonly tab: Tab;
  readonly pane: Pane;
  readonly screen: ScreenState;
  readonly layout: Layout;
  readonly window: LogWindow;
  readonly filter: LogFilter | undefined;
  readonly size: Size;
  readonly text: readonly string[];
  readonly visible: readonly string[];
  readonly logs: LogSource;
  readonly control: LoopControl;
  readonly details: ResourceDetails;
  readonly tools: ScreenTools;
  readonly writer: FrameWriter;
  readonly suspend: (during: () => Promise<void>) => Promise<void>;
  readonly mouse: { readonly on: boolean; readonly set: (on: boolean) => void };
  /** Ends a search that is under way; the signal is the next one's. */
  readonly startSearch: () => AbortSignal;
  readonly quit: () => void;
  readonly interrupt: () => void;
  /** Changes what is shown, from what is shown then: what was asked for may take a while. */
  readonly set: (change: (screen: ScreenState) => ScreenState) => void;
}
