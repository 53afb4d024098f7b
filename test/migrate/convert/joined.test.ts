import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { convertText } from "./projects.js";

interface Pod {
  readonly serviceAccountName?: string;
  readonly initContainers?: readonly { readonly name: string }[];
}

const podOf = (text: string): Pod =>
  (parse(text) as { readonly spec: { readonly template: { readonly spec: Pod } } }).spec.template.spec;

const joined = `services:
  web:
    image: web:1
    depends_on: {db: {condition: service_healthy}}
  agent:
    image: agent:1
    network_mode: service:web
    depends_on: {db: {condition: service_started}, web: {condition: service_started}}
  db: {image: db:1}
`;

describe("a service that joins another's pod", () => {
  it("waits for the stronger of two conditions", async () => {
    const { file } = await convertText(joined);
    expect(parse(file("devloop.yaml"))).toMatchObject({ order: { web: { db: "ready" } } });
  });

  it("does not wait for its own pod, and waits with an account", async () => {
    const own = joined.replace("    depends_on: {db: {condition: service_healthy}}\n", "");
    const { file } = await convertText(own, { waitInitContainers: true });
    const pod = podOf(file("k8s/base/web/deployment.yaml"));
    expect(pod.initContainers?.map(({ name }) => name)).toEqual(["find-db", "wait-for-db"]);
    expect(pod.serviceAccountName).toBe("devloop-wait");
  });

  it("makes no account where the only thing to wait for is its own pod", async () => {
    const text =
      "services:\n  web: {image: web:1}\n  agent: {image: a:1, network_mode: service:web, depends_on: [web]}\n";
    const { file } = await convertText(text, { waitInitContainers: true });
    expect(podOf(file("k8s/base/web/deployment.yaml"))).not.toHaveProperty("serviceAccountName");
  });

  it("tells what it says of its pod", async () => {
    const own =
      "    extra_hosts: {a: 10.0.0.1}\n    hostname: x\n    restart: always\n    platform: linux/arm64\n    runtime: runsc\n    sysctls: {net.core.somaxconn: 1}\n    deploy: {replicas: 2, resources: {limits: {memory: 64m}}}\n";
    const { told } = await convertText(joined.replace("    network_mode", `${own}    network_mode`));
    for (const path of [
      "extra_hosts.a.0",
      "hostname",
      "restart",
      "platform",
      "runtime",
      "sysctls.net.core.somaxconn",
      "deploy.replicas",
    ])
      expect(told(`services.agent.${path}`)).toMatch(/^decision: a pod has one of it/);
    expect(told("services.agent.deploy.resources.limits.memory")).not.toMatch(/^decision/);
  });

  it("tells of an alias that no Service can have", async () => {
    const text = "services:\n  web: {image: web:1, networks: {default: {aliases: [ok, a.b]}}}\n";
    const { told } = await convertText(text);
    expect(told("services.web.networks.default.aliases")).toMatch(/^decision: a\.b:/);
  });
});
