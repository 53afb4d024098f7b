import { expect, it } from "vitest";
import type { KubeObject } from "../../src/cluster/kube.js";
import { anyCluster, api, bringImage } from "./clusters.js";
import { page, runToEnd, start, until } from "./devloop.js";
import { freePort, scratchDirectory } from "./scratch.js";

/**
 * A store that is only pulled and serves on two ports, of which one is named nowhere; a page that asks it there, and is
 * started anew with it; and one that also asks it, and is not.
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
    command: ["sh", "-c", "until wget -qO- http://store:$$((9990 + 9))/edition; do sleep 0.2; done; exec httpd -f -p 8080 -h /cgi"]
    volumes: ["./cgi:/cgi"]
    depends_on: [My_Store]
`;

it("reaches peers on ports that nobody names, and starts anew what depends with restart", async () => {
  const cluster = anyCluster();
  const web = await freePort();
  await using project = await scratchDirectory(cluster, "peers", (name) => ({
    "compose.yaml": compose(name, web),
    "www/edition": "first\n",
    "cgi/index.html": "here\n",
  }));
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
  // Nothing is built: a node has what it can pull, and this one can pull nothing.
  await bringImage(cluster, "busybox:1");
  await using devloop = start({ cluster, cwd: project.root });
  await devloop.ready({ timeoutMs: 120_000 });
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
  expect(Object.keys(before).sort()).toEqual(["my-store", "other", "web"]);
  const since = devloop.mark();
  await project.edit("compose.yaml", 'EDITION: "1"', 'EDITION: "2"');
  await migrate();
  await devloop.ready({ since });
  let after = before;
  await until(
    async () => {
      after = await pods();
      return after["my-store"] !== before["my-store"] && after["web"] !== before["web"];
    },
    "new pods of both",
    60_000,
  );
  expect(after["other"]).toBe(before["other"]);
});

const appOf = ({ metadata }: KubeObject): string => metadata.labels?.["app.kubernetes.io/name"] ?? "";
