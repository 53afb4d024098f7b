import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { pack } from "tar-stream";
import type { ExecTarget } from "../../src/engine/target.js";
import { openKube, type Kube } from "../../src/cluster/kube.js";
import { openExec } from "../../src/cluster/sync/exec-stream.js";
import { openTlsAgent } from "../../src/cluster/tls-agent.js";
import type { TestCluster } from "../e2e/clusters.js";

/** Programs in a container, each over an exec of its own. */
export interface Execs extends Disposable {
  /**
   * What other tools do for every save (Skaffold 2's `copyFileFn`, Tilt's `ExecUpdater`): an exec of `tar xf -` that the changed
   * files are written to. Resolves once all is sent; it ends with the `Disposable`, as a websocket's input cannot be closed alone.
   */
  untar(target: ExecTarget, files: readonly TarFile[]): Promise<Disposable>;
  /** What a program prints. */
  print(target: ExecTarget, argv: readonly string[]): Promise<string>;
}
export interface TarFile {
  readonly source: string;
  /** In the container, without the first slash. */
  readonly dest: string;
}

/** TLS sessions are shared by all execs, as devloop's own are: what is compared is the exec, not the handshake. */
export function openExecs(cluster: TestCluster): Execs {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const kube: Kube = openKube(config);
  const tls = openTlsAgent();
  const { signal } = new AbortController();
  return {
    async untar(target, files) {
      const stream = await openExec(kube, target, ["tar", "xf", "-", "-C", "/"], { tls, signal });
      stream.output.resume();
      const tar = pack();
      const sent = (async () => {
        for await (const chunk of padded(tar as AsyncIterable<Buffer>)) {
          if (!stream.input.write(chunk)) await new Promise((resolve) => stream.input.once("drain", resolve));
        }
      })();
      for (const { source, dest } of files) tar.entry({ name: dest }, await readFile(source));
      tar.finalize();
      await sent;
      return stream;
    },
    async print(target, argv) {
      using stream = await openExec(kube, target, argv, { tls, signal });
      return await text(stream.output);
    },
    [Symbol.dispose]() {
      tls[Symbol.dispose]();
    },
  };
}

/** GNU tar takes in whole records, of an input that does not end. */
const recordBytes = 10_240;

async function* padded(tar: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of tar) {
    bytes += chunk.length;
    yield chunk;
  }
  yield Buffer.alloc((recordBytes - (bytes % recordBytes)) % recordBytes);
}
