import { stat } from "node:fs/promises";
import type { ImageSpec } from "../engine/project.js";
import { DevloopError } from "../lib/errors.js";

/**
 * The sockets of an image's SSH agents, by id; `agent` is that of SSH_AUTH_SOCK. One that is not there is left out: a step
 * may do without. Throws BUILD_FAILED for a key in place of a socket.
 */
export async function sshSockets(
  { name, ssh }: ImageSpec,
  agent: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const found = await Promise.all(
    Object.entries(ssh).map(async ([id, given]) => {
      const path = given ?? agent;
      const kind = path === undefined ? undefined : await stat(path).catch(() => undefined);
      if (path === undefined || kind === undefined) return [];
      if (kind.isSocket()) return [[id, path] as const];
      throw new DevloopError("BUILD_FAILED", `${name}: ssh ${id}: ${path} is no agent's socket`, {
        hint: `a key goes through an agent: ssh-add ${path}, and name only the id: ssh: [${id}]`,
      });
    }),
  );
  return new Map(found.flat());
}
