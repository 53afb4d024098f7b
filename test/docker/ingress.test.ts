import { once } from "node:events";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { expect, it } from "vitest";
import type { PodDialer } from "../../src/docker/target/dial.js";
import { openIngresses } from "../../src/docker/target/ingress.js";
import { createObjectStore } from "../../src/docker/target/object-store.js";
import type { KubeObject } from "../../src/engine/kube-object.js";

const object = (kind: string, fields: object): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name: "web", namespace: "dev", labels: { app: "web" } },
  ...fields,
});
const service = { name: "web", port: { number: 80 } };
const ingress = object("Ingress", {
  spec: {
    rules: [
      { host: "shop.localhost", http: { paths: [{ path: "/", pathType: "Prefix", backend: { service } }] } },
    ],
  },
});

/** An Ingress of one pod, whose connections are made by the test. */
async function serving() {
  const store = createObjectStore();
  store.set(object("Service", { spec: { selector: { app: "web" }, ports: [{ port: 80 }] } }));
  const conditions = [{ type: "Ready", status: "True" }];
  store.set(object("Pod", { spec: { containers: [] }, status: { podIP: "10.0.0.2", conditions } }));
  let tell = (): void => undefined;
  const dialled = new Promise<void>((resolve) => (tell = resolve));
  let answer: (connection: Duplex) => void = () => undefined;
  const made = new Promise<Duplex>((resolve) => (answer = resolve));
  const dialer: PodDialer = {
    dial() {
      tell();
      return made;
    },
    dialInside: () => Promise.reject(new Error("nobody asks for it")),
    check: () => Promise.reject(new Error("nobody asks for it")),
  };
  const ingresses = openIngresses({ store, dialer, holdOf: () => "hold" });
  const url = new URL((await ingresses.set([ingress]))[0]?.url ?? "");
  return {
    port: Number(url.port),
    dialled,
    answer,
    [Symbol.asyncDispose]: () => ingresses[Symbol.asyncDispose](),
  };
}

it.each([
  ["a request", "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"],
  [
    "an upgrade",
    "GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  ],
])(
  "the connection to the pod goes with whoever sent %s, also one who is gone before it stands",
  async (_what, text) => {
    await using served = await serving();
    const client = connect(served.port, "127.0.0.1");
    client.on("error", () => undefined);
    client.write(text);
    await served.dialled;
    client.resetAndDestroy();
    await once(client, "close");
    // What has been answered since, the Ingress has seen after that.
    expect((await fetch(`http://127.0.0.1:${served.port}/`)).status).toBe(404);
    const toPod = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        done();
      },
    });
    const closed = once(toPod, "close");
    served.answer(toPod);
    await closed;
    expect(toPod.destroyed).toBe(true);
  },
);

it("says which name has to be led here, and both of two that have one name", async () => {
  const store = createObjectStore();
  const dialer = {} as PodDialer;
  await using ingresses = openIngresses({ store, dialer, holdOf: () => "hold" });
  const of = (host: string, namespace: string): KubeObject => ({
    ...object("Ingress", {
      spec: { rules: [{ host, http: { paths: [{ path: "/", backend: { service } }] } }] },
    }),
    metadata: { name: "web", namespace },
  });
  const served = await ingresses.set([of("shop.example", "one"), of("shop.localhost", "two")]);
  expect(served).toEqual([
    {
      name: "web",
      url: expect.stringMatching(/^http:\/\/shop\.example:\d+\/$/) as string,
      foreignHost: "shop.example",
    },
    { name: "web", url: expect.stringMatching(/^http:\/\/shop\.localhost:\d+\/$/) as string },
  ]);
});
