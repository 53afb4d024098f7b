import { useContext, useRef, useState } from "react";
import { useApp, useInput, useStdin } from "ink";
import type { Store } from "../engine/store.js";
import { StoreContext } from "./context.js";
import type { Row } from "./rows.js";
import { moved, selectedRow, startView, toggledLogs, type View } from "./view.js";

/** What keys ask for. */
export interface UiActions {
  /** One image, or everything. */
  readonly rebuild: (image?: string) => void;
  readonly pause: () => void;
  readonly resume: () => void;
  /** End the session; the screen goes by itself. */
  readonly quit: () => void;
  /** The same on ctrl-c, which is no signal while the terminal hands every key over. */
  readonly interrupt: () => void;
}

/** Follows the keyboard: what is selected and shown is kept here, all else goes to `actions` and the store. */
export function useKeys(
  rows: readonly Row[],
  { dispatch, actions }: { readonly dispatch: Store["dispatch"]; readonly actions: UiActions },
): { readonly view: View; readonly help: boolean } {
  const { exit } = useApp();
  const { isRawModeSupported } = useStdin();
  const store = useContext(StoreContext);
  const [help, setHelp] = useState(false);
  const [view, setView] = useState<View>(startView);
  // Keys may come faster than frames: each acts on what the one before it left, not on what was drawn last.
  const current = useRef<View>(startView);

  useInput(
    (input, key) => {
      if (key.ctrl && input === "c") leave(actions.interrupt);
      else if (key.escape) {
        setHelp(false);
        look(startView);
      } else if (key.downArrow) press("j");
      else if (key.upArrow) press("k");
      else if (key.tab) press("a");
      // Keys struck fast, or over a slow line, come in one piece.
      else if (!key.ctrl && !key.meta) for (const character of input) press(character);
    },
    { isActive: isRawModeSupported },
  );
  return { view, help };

  function press(character: string): void {
    switch (character) {
      case "j":
        look(moved(current.current, rows, 1));
        return;
      case "k":
        look(moved(current.current, rows, -1));
        return;
      case "g":
        look(moved(current.current, rows, -rows.length));
        return;
      case "G":
        look(moved(moved(current.current, rows, 1), rows, rows.length));
        return;
      case "a":
        look(toggledLogs(current.current, rows));
        return;
      case "p":
        if (store?.getSnapshot().paused) actions.resume();
        else actions.pause();
        return;
      case "r":
        rebuild(selectedRow(current.current, rows));
        return;
      case "R":
        actions.rebuild();
        return;
      case "?":
        setHelp((shown) => !shown);
        return;
      case "q":
        leave(actions.quit);
        return;
      default:
    }
  }

  function look(next: View): void {
    current.current = next;
    setView(next);
  }

  function leave(how: () => void): void {
    how();
    exit();
  }

  function rebuild(row: Row | undefined): void {
    if (!row || row.kind === "forward") actions.rebuild();
    else if (row.kind === "image") actions.rebuild(row.subject);
    else if (row.kind === "deploy") dispatch({ type: "trigger.requested", deploy: row.subject });
    else
      for (const image of store?.getSnapshot().workloads[row.subject]?.images ?? []) actions.rebuild(image);
  }
}
