import type { ContainerEngine } from "../../engine/container-engine.js";
import { classicDelta } from "./delta-classic.js";
import { containerdDelta } from "./delta-containerd.js";
import type { DeltaSender } from "./delta-sender.js";
import { enginePush } from "./engine-push.js";
import type { LayerMemory } from "./known-layers.js";

/**
 * The way that fits the engine's image store. Both have the engine push to this process, which has to be on the engine's
 * machine: engines elsewhere give whole images.
 */
export function deltaSender(engine: ContainerEngine, memory?: LayerMemory): DeltaSender {
  const local = /^(unix|npipe):/.test(engine.address);
  const life = new AbortController();
  const pushes = enginePush(engine);
  let chosen: Promise<DeltaSender> | undefined;
  const way = (): Promise<DeltaSender> =>
    (chosen ??= engine
      .imageStore({ signal: life.signal })
      .then((store) =>
        store === "containerd" ? containerdDelta(engine, pushes) : classicDelta(engine, pushes, memory),
      ));
  return {
    async send(nodes, image, options) {
      if (!local) return undefined;
      return await (await way()).send(nodes, image, options);
    },
    learn(image) {
      if (!local) return;
      way().then(
        (one) => {
          one.learn(image);
        },
        // It is sent whole the next time too.
        () => (chosen = undefined),
      );
    },
    async [Symbol.asyncDispose]() {
      life.abort(new Error("the session ends"));
      await (await chosen?.catch(() => undefined))?.[Symbol.asyncDispose]();
      await pushes[Symbol.asyncDispose]();
    },
  };
}
