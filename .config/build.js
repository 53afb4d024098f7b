// Bundles the command into dist/: one small file that answers --version and --help, and chunks that load when used.
import { build } from "esbuild";
import { chmod, readFile, rm } from "node:fs/promises";
import { lean } from "./lean.js";

const root = new URL("../", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
const outdir = new URL("dist/", root).pathname;

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: [new URL("src/cli.ts", root).pathname],
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  // Node parses what it loads each time: half the text is half that time. Names and lines stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  sourcemap: process.argv.includes("--sourcemap"),
  define: {
    DEVLOOP_VERSION: JSON.stringify(version),
    "process.env.NODE_ENV": '"production"',
    "process.env.DEV": '"false"',
  },
  external: ["react-devtools-core"],
  plugins: [lean()],
  banner: {
    // Packages in CommonJS ask for require, which an ES module does not have.
    js: 'import { createRequire as devloopRequire } from "node:module"; const require = devloopRequire(import.meta.url);',
  },
  logLevel: "warning",
});
await chmod(new URL("dist/cli.js", root), 0o755);
