import type { LoadImage, WorkOptions } from "../../engine/target.js";
import type { NodeRef } from "../providers/nodes.js";
import type { Sent } from "./archive.js";

/** Sends only those layers of an image that nodes lack. Disposing ends what it does in the background. */
export interface DeltaSender extends AsyncDisposable {
  /**
   * Undefined where it is not known beforehand that this will do; throws for what went another way than expected. Either way
   * the whole image has to be sent.
   */
  send(nodes: readonly NodeRef[], image: LoadImage, options: WorkOptions): Promise<Sent | undefined>;
  /** Told of an image that the nodes have: what the next one needs to know of it is learned in the background. Never fails. */
  learn(image: LoadImage): void;
}
