import type { ExecTarget, PodAccess } from "../../engine/target.js";
import { startDeadline } from "../../lib/deadline.js";
import { openAgent } from "./agent-client.js";
import { differences } from "./held.js";
import { agentPath } from "./inject.js";
import type { SyncTree } from "./tree.js";

/** How long a container may take to answer, in ms. */
const limitMs = 30_000;

/** The places in a container that do not hold what they are to hold. Rejects with why it cannot be asked. */
export async function compareContainer(
  access: Pick<PodAccess, "openExec">,
  target: ExecTarget,
  { tree, former }: { readonly tree: SyncTree; readonly former: Iterable<string> },
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  using limit = startDeadline(limitMs, signal);
  using stream = await access.openExec(target, [agentPath, "serve"], { signal: limit.signal });
  using agent = await openAgent(stream, { signal: limit.signal });
  return await differences(agent, tree, former, limit);
}
