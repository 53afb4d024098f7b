import type { FindCredential, RegistryCredential } from "../../engine/container-engine.js";
import { errorText } from "../../lib/errors.js";
import { textField, writeFields } from "../../lib/protobuf.js";
import { type GrpcHandler, unary } from "./grpc-server.js";

/**
 * `moby.filesync.v1.Auth`: tells BuildKit the credentials of a registry that it asks for. Where they cannot be looked up,
 * the registry is asked without, and `onNote` is called.
 */
export function credentialServices(
  find: FindCredential | undefined,
  { onNote, signal }: { readonly onNote: (message: string) => void; readonly signal: AbortSignal },
): ReadonlyMap<string, GrpcHandler> {
  const handler = unary(async (request) => {
    const host = textField(request, 1);
    let found: RegistryCredential | undefined;
    try {
      found = await find?.(host, { signal });
    } catch (error) {
      onNote(`no credentials for ${host}: ${errorText(error)}`);
    }
    return encode(found);
  });
  return new Map([["/moby.filesync.v1.Auth/Credentials", handler]]);
}

function encode(found: RegistryCredential | undefined): Buffer {
  if (found === undefined) return writeFields([]);
  // An identity token is told by its empty user name.
  return found.kind === "token"
    ? writeFields([[2, found.identityToken]])
    : writeFields([
        [1, found.username],
        [2, found.password],
      ]);
}
