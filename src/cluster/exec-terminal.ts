import type { ExecTarget } from "../engine/target.js";
import type { Kube } from "./kube.js";
import { openKubeSocket } from "./kube-socket.js";
import { openTlsAgent } from "./tls-agent.js";

export interface ExecTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

/**
 * Runs a program in a container on this terminal, as `kubectl exec -it` does, and gives the terminal back. Resolves when the program ends, however
 * it does; rejects when it could not be started or the connection broke.
 */
export async function execOnTerminal(
  kube: Kube,
  { namespace, pod, container }: ExecTarget,
  argv: readonly string[],
  { stdin, stdout, signal }: ExecTerminal,
): Promise<void> {
  const query = new URLSearchParams([
    ...(container === "" ? [] : [["container", container] as [string, string]]),
    ["stdin", "true"],
    ["stdout", "true"],
    ["tty", "true"],
    ...argv.map((part): [string, string] => ["command", part]),
  ]);
  using tls = openTlsAgent();
  let status = "";
  let end: (error: Error | undefined) => void = () => undefined;
  const ended = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query.toString()}`;
  const socket = await openKubeSocket(kube, path, {
    peer: `pod ${pod}`,
    tls,
    signal,
    onMessage(channel, data) {
      if (channel === 1) stdout.write(data);
      else if (channel === 3) status += data.toString("utf8");
    },
    onDrain: () => undefined,
    onClose: (error) => {
      end(error);
    },
  });
  const onInput = (data: Buffer | string): void => {
    socket.send(0, Buffer.from(data));
  };
  // Channel 4 carries the terminal's size: k8s.io/client-go's tools/remotecommand, TerminalSize.
  const onResize = (): void => {
    const size = { Width: stdout.columns, Height: stdout.rows };
    socket.send(4, Buffer.from(JSON.stringify(size)));
  };
  stdin.setRawMode(true);
  stdin.on("data", onInput);
  stdin.ref();
  stdin.resume();
  stdout.on("resize", onResize);
  onResize();
  try {
    const error = await ended;
    if (error) throw error;
    const problem = problemOf(status);
    if (problem !== undefined) throw new Error(problem);
  } finally {
    stdin.off("data", onInput);
    stdin.pause();
    stdin.setRawMode(false);
    stdout.off("resize", onResize);
    socket.close();
  }
}

/** What the last message says went wrong; a program that ran and ended with a code of its own did nothing wrong. */
function problemOf(status: string): string | undefined {
  try {
    const told = JSON.parse(status) as { status?: string; reason?: string; message?: string };
    return told.status === "Failure" && told.reason !== "NonZeroExitCode" ? told.message : undefined;
  } catch {
    return undefined;
  }
}
