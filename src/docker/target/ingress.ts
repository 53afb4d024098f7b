import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { KubeObject } from "../../engine/kube-object.js";
import { errorText } from "../../lib/errors.js";
import type { PodDialer } from "./dial.js";
import { type IngressRoute, ingressRoutes, routeFor } from "./ingress-rules.js";
import type { ObjectStore } from "./object-store.js";
import type { ServiceObject } from "./objects.js";
import { endpointsOf } from "./service-rules.js";

/** The Ingresses of a project, served by http on one local port. */
export interface Ingresses extends AsyncDisposable {
  /** These are all that there are now. Returns where each is served. */
  set(objects: readonly KubeObject[]): Promise<readonly ServedIngress[]>;
}

export interface ServedIngress {
  readonly name: string;
  /** Of its first rule. */
  readonly url: string;
  /** The name in it, where that does not lead to this machine by itself. */
  readonly foreignHost?: string;
}

/** The port that is tried first, and how many after it. */
const firstPort = 8080;
const portRange = 50;

export function openIngresses({
  store,
  dialer,
  holdOf,
}: {
  readonly store: ObjectStore;
  readonly dialer: PodDialer;
  /** The container that holds a pod's network. */
  readonly holdOf: (pod: KubeObject) => string;
}): Ingresses {
  let routes: readonly IngressRoute[] = [];
  let listening: Promise<Server> | undefined;
  let turn = 0;
  /** Connections that became another protocol's: the server knows nothing of them any more. */
  const upgraded = new Set<Duplex>();
  const life = new AbortController();

  /** A connection to the next ready pod; throws with the status to answer. */
  async function connect({ headers, url = "/" }: IncomingMessage): Promise<Duplex> {
    const route = routeFor(routes, headers.host ?? "", url);
    if (!route) throw new NoAnswer(404, "no rule of an Ingress leads here");
    const { namespace, service: name, port } = route.backend;
    const service = store.get("Service", namespace, name) as ServiceObject | undefined;
    const found = service?.spec?.ports?.find((each) => each.port === port || each.name === port);
    if (!service || !found) throw new NoAnswer(503, `there is no port ${port} of Service/${name}`);
    const ready = endpointsOf(service, found.targetPort ?? found.port, store.all("Pod"));
    turn += 1;
    const place = ready[turn % Math.max(1, ready.length)];
    if (!place) throw new NoAnswer(503, `no pod of Service/${name} is ready`);
    return await dialer.dial(
      { hold: holdOf(place.pod), address: place.address, port: place.port },
      { signal: life.signal },
    );
  }

  async function answer(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const socket = await connect(asked);
    // Whoever asked may be gone meanwhile.
    if (response.destroyed) {
      socket.destroy();
      return;
    }
    response.once("close", () => socket.destroy());
    const onward = request({
      createConnection: () => socket,
      method: asked.method,
      path: asked.url,
      headers: forwarded(asked),
      setHost: false,
    });
    onward.once("response", (got) => {
      response.writeHead(got.statusCode ?? 502, got.statusMessage, got.rawHeaders);
      got.pipe(response);
      got.once("error", () => response.destroy());
    });
    onward.once("error", (error) => {
      refuse(response, error);
    });
    asked.pipe(onward);
  }

  /** A connection that becomes another protocol's: its bytes go both ways as they are. */
  async function upgrade(asked: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    // The server has let go of it: an error that nobody hears would end devloop.
    client.on("error", () => client.destroy());
    upgraded.add(client);
    client.once("close", () => upgraded.delete(client));
    const socket = await connect(asked);
    if (client.destroyed) {
      socket.destroy();
      return;
    }
    socket.on("error", () => client.destroy());
    socket.once("close", () => client.end());
    client.once("close", () => socket.destroy());
    const lines = Object.entries(forwarded(asked, true)).flatMap(([name, value]) =>
      [value].flat().map((each) => `${name}: ${each}`),
    );
    socket.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    socket.write(head);
    socket.pipe(client).pipe(socket);
  }

  async function listen(): Promise<Server> {
    const server = createServer((asked, response) => {
      answer(asked, response).catch((error: unknown) => {
        refuse(response, error);
      });
    });
    // A connection that cannot be taken is the client's matter.
    server.on("error", () => undefined);
    server.on("upgrade", (asked, client, head) => {
      upgrade(asked, client, head).catch(() => client.destroy());
    });
    for (let port = firstPort; ; port += 1) {
      try {
        server.listen(port, "127.0.0.1");
        await once(server, "listening");
        return server;
      } catch (error) {
        if (port >= firstPort + portRange) throw error;
      }
    }
  }

  return {
    async set(objects) {
      routes = ingressRoutes(objects);
      if (objects.length === 0) return [];
      listening ??= listen().catch((error: unknown) => {
        listening = undefined;
        throw error;
      });
      const { port } = (await listening).address() as AddressInfo;
      return objects.map((object) => {
        const [first] = ingressRoutes([object]);
        const host = first && first.host !== "" ? first.host.replace(/^\*\./, "any.") : "localhost";
        const url = `http://${host}:${port}${first?.path ?? "/"}`;
        // Browsers take what ends so to this machine (RFC 6761).
        const isLocal = /(^|\.)localhost$/.test(host);
        return { name: object.metadata.name, url, ...(isLocal ? {} : { foreignHost: host }) };
      });
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      const server = await listening?.catch(() => undefined);
      if (!server) return;
      server.close();
      server.closeAllConnections();
      for (const client of upgraded) client.destroy();
    },
  };
}

class NoAnswer extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "NoAnswer";
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(error instanceof NoAnswer ? error.status : 502, { "content-type": "text/plain" });
  response.end(`devloop: ${errorText(error)}\n`);
}

/** What the client sent, with who it was; a connection to a pod is for one request. */
function forwarded(
  { headers, socket }: IncomingMessage,
  upgrades = false,
): Readonly<Record<string, string | string[]>> {
  const { connection, ...rest } = headers;
  const given = Object.entries(rest).filter((entry): entry is [string, string | string[]] => !!entry[1]);
  return {
    ...Object.fromEntries(given),
    connection: upgrades ? (connection ?? "upgrade") : "close",
    "x-forwarded-for": socket.remoteAddress ?? "",
    "x-forwarded-host": headers.host ?? "",
    "x-forwarded-proto": "http",
  };
}
