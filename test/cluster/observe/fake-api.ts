import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { type Kube, openKube } from "../../../src/cluster/kube.js";

/** An API server that answers as a test says, over real HTTP. */
export async function fakeApi(
  answer: (url: URL, response: ServerResponse, request: IncomingMessage) => void,
): Promise<{ readonly kube: Kube } & AsyncDisposable> {
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? "/", "http://fake"), response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "fake", server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: "fake" }],
    contexts: [{ name: "fake", cluster: "fake", user: "fake" }],
    currentContext: "fake",
  });
  const kube = openKube(config);
  return {
    kube,
    async [Symbol.asyncDispose]() {
      kube[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
