import { connectEngine } from "../../../src/docker/connect.js";
import { findEngine } from "../../../src/docker/endpoint.js";
import { engine, withNodesOf } from "./rig.js";
import type { ImageEngine } from "./scratch-images.js";
import { startSecondEngine } from "./second-engine.js";

/** An engine to load from, opened for the tests; the nodes are the first engine's. */
export interface TestEngine {
  readonly title: string;
  open(): Promise<ImageEngine & AsyncDisposable>;
}

/** Addresses of further engines that run already, with commas between them: to try the tests on other versions by hand. */
const others = (process.env["DEVLOOP_TEST_ENGINES"] ?? "").split(",").filter((host) => host !== "");

/** The engine that is there, one with the containerd image store, and those of DEVLOOP_TEST_ENGINES. */
export const testEngines: readonly TestEngine[] = [
  {
    title: "the engine that is there",
    open: () => Promise.resolve({ engine, [Symbol.asyncDispose]: () => Promise.resolve() }),
  },
  {
    title: "an engine with the containerd image store",
    async open() {
      const second = await startSecondEngine();
      return {
        engine: withNodesOf(engine, second.engine),
        host: second.host,
        [Symbol.asyncDispose]: () => second[Symbol.asyncDispose](),
      };
    },
  },
  ...others.map((host) => ({
    title: `the engine at ${host}`,
    open: () => {
      const other = connectEngine(findEngine({ DOCKER_HOST: host }, { home: "/" })).engine;
      return Promise.resolve({
        engine: withNodesOf(engine, other),
        host,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  })),
];
