import { once } from "node:events";
import { connect } from "node:net";
import { bytesField, textField, writeFields } from "../../lib/protobuf.js";
import { GrpcError, grpcStatus } from "./grpc.js";
import { type GrpcCall, type GrpcHandler, unary } from "./grpc-server.js";

/** What a step that mounts no id of its own asks for. */
const defaultId = "default";

/**
 * `moby.sshforward.v1.SSH`: connects a step that mounts an SSH agent with the one that listens on the socket of that id.
 * Keys never leave the agent.
 */
export function sshServices(sockets: ReadonlyMap<string, string>): ReadonlyMap<string, GrpcHandler> {
  const find = (id: string): string => {
    const socket = sockets.get(id || defaultId);
    if (socket === undefined) throw new GrpcError(grpcStatus.notFound, `ssh ${id || defaultId}: not found`);
    return socket;
  };
  const check = unary((request) => {
    find(textField(request, 1));
    return writeFields([]);
  });
  return new Map([
    ["/moby.sshforward.v1.SSH/CheckAgent", check],
    [
      "/moby.sshforward.v1.SSH/ForwardAgent",
      (call) => forward(call, find(call.values("buildkit.ssh.id")[0] ?? "")),
    ],
  ]);
}

/** Carries bytes both ways until the agent has ended, which it does when the step has. */
async function forward(call: GrpcCall, path: string): Promise<void> {
  const agent = connect(path);
  const close = (): void => void agent.destroy();
  call.signal.addEventListener("abort", close);
  try {
    await once(agent, "connect", { signal: call.signal });
    const answers = (async () => {
      for await (const chunk of agent as AsyncIterable<Buffer>) await call.send(writeFields([[1, chunk]]));
    })();
    answers.catch(() => undefined);
    const requests = (async () => {
      for await (const message of call.messages) agent.write(bytesField(message, 1) ?? Buffer.alloc(0));
      agent.end();
    })();
    requests.catch(() => undefined);
    // An agent that hangs up ends it; a step that does hears what the agent still says.
    await answers;
  } finally {
    call.signal.removeEventListener("abort", close);
    agent.destroy();
  }
}
