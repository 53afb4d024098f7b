import type { LogSource } from "../engine/log-source.js";
import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import type { Store } from "../engine/store.js";

/** What a socket serves: one running loop. */
export interface ServedLoop {
  readonly store: Pick<Store, "getSnapshot" | "subscribe">;
  readonly logs: LogSource;
  readonly control: LoopControl;
  readonly details: ResourceDetails;
  /** Hides secret values in text. */
  readonly redact: (text: string) => string;
}
