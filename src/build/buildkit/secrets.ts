import { textField, writeFields } from "../../lib/protobuf.js";
import { GrpcError, grpcStatus } from "./grpc.js";
import { type GrpcHandler, unary } from "./grpc-server.js";

/** `moby.buildkit.secrets.v1.Secrets`: gives a step that mounts a secret its value, by its id. */
export function secretServices(values: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, GrpcHandler> {
  const handler = unary((request) => {
    const id = textField(request, 1);
    const value = values.get(id);
    if (value === undefined) throw new GrpcError(grpcStatus.notFound, `secret ${id}: not found`);
    return writeFields([[1, value]]);
  });
  return new Map([["/moby.buildkit.secrets.v1.Secrets/GetSecret", handler]]);
}
