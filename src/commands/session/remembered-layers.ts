import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { LayerMemory } from "../../cluster/load/known-layers.js";
import type { Environment } from "./adapters.js";
import { statePath, writeState } from "./state-file.js";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const file = z.object({
  version: z.literal(1),
  layers: z.array(z.object({ compressed: digest, digest, size: z.number().int().nonnegative() })),
});

/** The layers of the project's images as the engine pushes them, over sessions. A file that cannot be read counts as empty. */
export function rememberedLayers(root: string, env: Environment): LayerMemory {
  const path = statePath(root, env, "layers.json");
  let writing = Promise.resolve();
  return {
    async read() {
      try {
        return file.parse(JSON.parse(await readFile(path, "utf8"))).layers;
      } catch {
        return [];
      }
    },
    async write(layers) {
      // One write after the other: a load and what is learned in the background may end at once.
      const mine = writing.then(() => writeState(path, { version: 1, layers }));
      writing = mine.catch(() => undefined);
      await mine;
    },
  };
}
