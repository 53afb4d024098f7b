import type Dockerode from "dockerode";
import { readFields, readMap, writeFields } from "../../lib/protobuf.js";
import { postUpgrade } from "../engine-dial.js";
import { grpcClient } from "./grpc-client.js";

/** The label under which Docker's workers tell it: github.com/moby/moby, builder/builder-next/worker/label. */
const gatewayLabel = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/**
 * The address under which RUN steps reach the engine's host: what `host-gateway` stands for in `extraHosts`. Undefined for
 * engines that do not tell. Throws ENGINE_UNREACHABLE and GrpcError.
 */
export async function hostGateway(
  docker: Dockerode,
  { address, signal }: { readonly address: string; readonly signal: AbortSignal },
): Promise<string | undefined> {
  using client = grpcClient(await postUpgrade(docker, address, "/grpc", { signal }));
  const answer = await client.unary("/moby.buildkit.v1.Control/ListWorkers", writeFields([]), { signal });
  const workers = [...readFields(answer)].filter(({ number }) => number === 1);
  const told = workers.map(({ bytes }) => readMap(bytes, 2)[gatewayLabel]).find((found) => found);
  return told ?? (await bridgeGateway(docker));
}

/** What it is unless the engine was told another: older engines have no label for it. */
async function bridgeGateway(docker: Dockerode): Promise<string | undefined> {
  const { IPAM } = (await docker.getNetwork("bridge").inspect()) as {
    readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] };
  };
  return IPAM?.Config?.[0]?.Gateway;
}
