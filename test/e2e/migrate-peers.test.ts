import { expect, it } from "vitest";
import type { KubeObject } from "../../src/cluster/kube.js";
import { api, bringImage, providerOf, someTargets } from "./clusters.js";
import { page, runToEnd, start, until } from "./devloop.js";
import { freePort, scratchDirectory } from "./scratch.js";

/**
 * A store that is only pulled and serves on two ports, of which one is named nowhere; a page that asks it there, and is
 * started anew with it; and one that also asks it, and is not. Two that are built: of one only the other's sources name
 * the port, of the other nothing does, until it is exposed and its Service gets an address.
 */
const compose = (name: string, web: number): string => `name: ${name}
services:
  My_Store:
    image: busybox:1
    command: ["sh", "-c", "httpd -p 8000 -h /www; exec httpd -f -p 9999 -h /www"]
    expose: ["8000"]
    environment: {EDITION: "1"}
    volumes: ["./www:/www"]
    networks: {default: {aliases: [store]}}
  web:
    image: busybox:1
    command: ["sh", "-c", 'until wget -qO- "http://$$PEER:$$((9990 + 9))/edition"; do sleep 0.2; done; exec httpd -f -p 8080 -h /cgi']
    ports: ["${web}:8080"]
    environment: {PEER: My_Store}
    volumes: ["./cgi:/cgi"]
    depends_on: {My_Store: {condition: service_started, restart: true}}
  other:
    image: busybox:1
    command: ["sh", "-c", "until wget -qO- http://store:$$((9990 + 9))/edition; do sleep 0.2; done; until sh /cgi/ask; do sleep 0.2; done; exec httpd -f -p 8080 -h /cgi"]
    volumes: ["./cgi:/cgi"]
    healthcheck: {test: 'test "$$$$" -gt 0 && wget -qO- http://127.0.0.1:8080/index.html', interval: 1s}
    depends_on: [My_Store]
  api:
    build: {context: api}
    command: ["sh", "-c", "exec httpd -f -p $$((5000 + 1)) -h /www"]
  hidden:
    build: {context: api}
    command: ["sh", "-c", "exec httpd -f -p $$((7000 + 1)) -h /www"]
`;

const files = (name: string, web: number): Readonly<Record<string, string>> => ({
  "compose.yaml": compose(name, web),
  "www/edition": "first\n",
  "cgi/index.html": "here\n",
  "cgi/ask": "wget -qO- http://api:5001/ && wget -qO- http://hidden:$((7000 + 1))/\n",
  "api/Dockerfile": "FROM busybox:1\nCOPY index.html /www/\n",
  "api/index.html": "api\n",
});

const title = "reaches peers on ports that nobody names, and starts anew what depends with restart, on %s";

it.each(someTargets)(title, async (_name, target) => {
  const cluster = target();
  const web = await freePort();
  await using project = await scratchDirectory(cluster, "peers", (name) => files(name, web));
  const namespace = `${project.namespace}-dev`;
  await using _namespace = {
    [Symbol.asyncDispose]: async () => {
      await api(cluster).remove(`/api/v1/namespaces/${namespace}`);
    },
  };
  const migrate = async (): Promise<void> => {
    const { code, stdout } = await runToEnd({ cluster, cwd: project.root, args: ["migrate"] });
    expect(code, stdout).toBe(0);
  };
  await migrate();
  // An edit of whoever migrates: it is there after the second run too.
  await project.edit("devloop.yaml", "cluster:\n", `cluster:\n${providerOf(cluster)}`);
  // Nothing is built: a node has what it can pull, and this one can pull nothing.
  await bringImage(cluster, "busybox:1");
  await using devloop = start({ cluster, cwd: project.root });
  await devloop.ready();
  // Nothing tells when it is ready: it answers once it has reached the store.
  await until(async () => (await page(web, "/index.html")) === "here\n", "the page");
  let before: Readonly<Record<string, string>> = {};
  const pods = async (): Promise<Readonly<Record<string, string>>> => {
    const live = (await api(cluster).pods(namespace)).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    // While an old pod and a new one are both there, it is not over.
    const apps = live.map(appOf);
    if (new Set(apps).size < apps.length) return before;
    return Object.fromEntries(live.map((pod) => [appOf(pod), pod.metadata.uid ?? ""]));
  };
  before = await pods();
  // That "other" is ready says that it reached both of what is built.
  expect(Object.keys(before).sort()).toEqual(["api", "hidden", "my-store", "other", "web"]);
  /** Without a cluster nobody says which address a Service has; that it is reached says that it has one. */
  const addressOf = async (name: string): Promise<string> => {
    const services = await api(cluster).list(`/api/v1/namespaces/${namespace}/services`);
    const found = services.find(({ metadata }) => metadata.name === name) as Service | undefined;
    return found?.spec.clusterIP ?? "no Service";
  };
  const inCluster = cluster.flavour !== "docker";
  if (inCluster) {
    expect(await addressOf("api")).toMatch(/^\d/);
    expect(await addressOf("hidden")).toBe("None");
  }
  const since = devloop.mark();
  await project.edit("compose.yaml", 'EDITION: "1"', 'EDITION: "2"');
  await project.edit("compose.yaml", "  hidden:\n", '  hidden:\n    expose: ["7001"]\n');
  await migrate();
  await devloop.ready({ since });
  let after = before;
  await until(async () => {
    after = await pods();
    return after["my-store"] !== before["my-store"] && after["web"] !== before["web"];
  }, "new pods of both");
  expect(after["other"]).toBe(before["other"]);
  if (inCluster) await until(async () => /^\d/.test(await addressOf("hidden")), "the Service's address");
});

type Service = KubeObject & { readonly spec: { readonly clusterIP: string } };

const appOf = ({ metadata }: KubeObject): string => metadata.labels?.["app.kubernetes.io/name"] ?? "";
