/**
 * Leaves out of the bundle what devloop never calls: these packages bring along far more than is used of them, and `up`
 * would spend some 300 ms on parsing it. Where a package moves its files, its part comes back whole: slower, not wrong.
 * @returns {import("esbuild").Plugin}
 */
export function lean() {
  return {
    name: "lean",
    setup(build) {
      for (const [filter, contents] of replaced) build.onLoad({ filter }, () => ({ contents }));
      // It tells nobody that its modules only define things; as told here, its thousand API models stay out.
      build.onResolve({ filter: /./ }, async ({ path, pluginData, ...asked }) => {
        if (pluginData === resolved || ![path, asked.importer].some((one) => one.includes(clientNode)))
          return undefined;
        const found = await build.resolve(path, { ...asked, pluginData: resolved });
        return found.path.includes(clientNode) ? { ...found, sideEffects: false } : found;
      });
    },
  };
}

const clientNode = "@kubernetes/client-node";
/** Marks a question that comes from the plugin itself. */
const resolved = Symbol("resolved");

/** @type {readonly (readonly [RegExp, string])[]} */
const replaced = [
  // Messages in fifty languages.
  [/\/zod\/v4\/locales\/index\.js$/, `export { default as en } from "./en.js";`],
  // dockerode's own BuildKit session, with gRPC under it: src/build/session.ts is ours.
  [
    /\/dockerode\/lib\/session\.js$/,
    `module.exports = () => { throw new Error("dockerode's session is not part of the bundle"); };`,
  ],
  // An SSH client in native parts: a package still, loaded when DOCKER_HOST asks for it.
  [
    /\/docker-modem\/lib\/ssh\.js$/,
    `const { createRequire } = require("node:module");
module.exports = (options) => {
  const dockerode = createRequire(require.resolve("dockerode"));
  return createRequire(dockerode.resolve("docker-modem"))("./ssh.js")(options);
};`,
  ],
  // Node has its own, loaded when first touched; client-node names this one for calls that are not made here.
  [
    /\/node-fetch\/lib\/index\.m?js$/,
    `export default (...request) => fetch(...request);
export const Headers = function (init) { return new globalThis.Headers(init); };
export const FetchError = TypeError, AbortError = DOMException;`,
  ],
];
