import { PassThrough, Writable } from "node:stream";
import type { ExecStream, ExecTarget } from "../../engine/target.js";
import type { Kube } from "../kube.js";
import { openKubeSocket } from "../kube-socket.js";
import type { TlsAgent } from "../tls-agent.js";

/**
 * Runs a program in a container without a shell, through the API server's exec. Resolves once the API server has agreed; whether
 * the program could be started shows in `output`.
 */
export async function openExec(
  kube: Kube,
  { namespace, pod, container }: ExecTarget,
  argv: readonly string[],
  { tls, signal }: { readonly tls: TlsAgent; readonly signal: AbortSignal },
): Promise<ExecStream> {
  const query = new URLSearchParams([
    ["container", container],
    ["stdin", "true"],
    ["stdout", "true"],
    ["stderr", "true"],
    ...argv.map((part): [string, string] => ["command", part]),
  ]);
  let told = "";
  let drained: (() => void) | undefined;
  const output = new PassThrough({ highWaterMark: 1024 * 1024 });
  // A failure that comes when nobody reads any more must not end the program.
  output.on("error", () => undefined);
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query.toString()}`;
  const socket = await openKubeSocket(kube, path, {
    peer: `pod ${pod}`,
    tls,
    signal,
    onMessage(channel, data) {
      // Each channel begins with an empty message, which a stream may take for nothing to come for now.
      if (data.length === 0) return;
      if (channel === 1) {
        if (output.write(data)) return;
        socket.pause();
        output.once("drain", () => {
          socket.resume();
        });
      } else if (channel === 2) told = (told + data.toString("utf8")).slice(0, 10_000);
      else if (channel === 3) told += statusText(data);
    },
    onDrain() {
      drained?.();
    },
    onClose(error) {
      const words = told.trim();
      if (error) output.destroy(error);
      else if (words !== "") output.destroy(new Error(words));
      else output.end();
    },
  });
  const input = new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, done) {
      if (socket.send(0, chunk)) done();
      else drained = done;
    },
    destroy(error, done) {
      socket.close();
      done(error);
    },
  });
  input.on("error", () => undefined);
  return {
    input,
    output,
    [Symbol.dispose]() {
      socket.close();
    },
  };
}

/** The last message is a Status: nothing for a program that ended well. */
function statusText(data: Buffer): string {
  try {
    const { status, message } = JSON.parse(data.toString("utf8")) as { status?: string; message?: string };
    return status === "Success" ? "" : (message ?? "it failed");
  } catch {
    return data.toString("utf8");
  }
}
