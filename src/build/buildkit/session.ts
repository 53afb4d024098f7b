import { randomUUID } from "node:crypto";
import type Dockerode from "dockerode";
import { EngineStatusError } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";
import { writeFields } from "../../lib/protobuf.js";
import { postUpgrade } from "../engine-dial.js";
import { type GrpcHandler, serveGrpc, unary } from "./grpc-server.js";

/** BuildKit's way back to us while it builds. Disposing ends it. */
export interface BuildSession extends Disposable {
  /** What the build names it by. */
  readonly id: string;
}

export interface SessionOptions {
  readonly address: string;
  /** What the engine keeps between builds of the same files is found by this. */
  readonly sharedKey: string;
  /** By method: what is offered to the build. */
  readonly services: ReadonlyMap<string, GrpcHandler>;
  readonly signal: AbortSignal;
}

/**
 * Opens a session: a connection to the engine on which it is the client and we are the gRPC server. It asks for files,
 * credentials and secrets when it needs them, and whether we are well. Throws ENGINE_UNREACHABLE, and BUILD_FAILED for an
 * engine without BuildKit.
 */
export async function openSession(docker: Dockerode, options: SessionOptions): Promise<BuildSession> {
  const id = randomUUID();
  const services = new Map([...options.services, [healthMethod, health] as const]);
  const headers = {
    "X-Docker-Expose-Session-Uuid": id,
    "X-Docker-Expose-Session-Name": "devloop",
    "X-Docker-Expose-Session-Sharedkey": options.sharedKey,
    "X-Docker-Expose-Session-Grpc-Method": [...services.keys()],
  };
  const { address, signal } = options;
  const socket = await postUpgrade(docker, address, "/session", { headers, signal }).catch(
    (error: unknown) => {
      throw error instanceof EngineStatusError && error.status === 404
        ? withoutBuildkit(address, error)
        : error;
    },
  );
  return Object.assign(serveGrpc(socket, services), { id });
}

/** As Podman answers. */
function withoutBuildkit(address: string, cause: unknown): DevloopError {
  return new DevloopError("BUILD_FAILED", `the container engine at ${address} builds without BuildKit`, {
    cause,
    hint: "devloop needs BuildKit: Docker 20.10 or newer",
  });
}

const healthMethod = "/grpc.health.v1.Health/Check";
/** 1 stands for SERVING. */
const health = unary(() => writeFields([[1, 1]]));
