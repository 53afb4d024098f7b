import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { renderKustomize } from "../../src/cluster/render/kustomize.js";
import { hasKustomize } from "../has-kustomize.js";

const overlays = new URL("../../examples/monitor/k8s/overlays/", import.meta.url).pathname;
const { signal } = new AbortController();

/** As much of a manifest as these tests look at. */
interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- its shape differs for each kind
  readonly spec?: any;
}

describe.runIf(hasKustomize)("the overlays of examples/monitor", () => {
  it("dev is what lies rendered beside them, for machines without kustomize", async () => {
    const rendered = await readFile(`${overlays}../rendered/dev.yaml`, "utf8");
    expect(manifestsOf(rendered)).toEqual(await build("dev"));
  });

  it.each(["dev", "staging", "production"])("%s puts everything into its own namespace", async (overlay) => {
    const manifests = await build(overlay);
    expect(names(manifests, "Namespace")).toEqual([`monitor-${overlay}`]);
    for (const { kind, metadata } of manifests) {
      if (kind !== "Namespace") expect(metadata.namespace, metadata.name).toBe(`monitor-${overlay}`);
    }
    expect(names(manifests, "Deployment")).toEqual(["monitor-agent", "monitor-test"]);
    expect(names(manifests, "Service")).toEqual(["monitor-agent", "monitor-test"]);
  });

  it.each(["dev", "staging", "production"])(
    "%s merges its settings over the base's, and its pods use the generated objects",
    async (overlay) => {
      const manifests = await build(overlay);
      const config = one(manifests, "ConfigMap");
      expect(config.data).toMatchObject({ ENVIRONMENT: overlay, SERVICE_NAME: "monitor-test" });
      const secret = one(manifests, "Secret");
      const token = Buffer.from(secret.data!["MONITOR_TOKEN"]!, "base64").toString();
      expect(token).toMatch(/^demo-token/);
      for (const { spec } of all(manifests, "Deployment")) {
        expect(spec.template.spec.containers[0].envFrom).toEqual([
          { configMapRef: { name: config.metadata.name } },
          { secretRef: { name: secret.metadata.name, optional: true } },
        ]);
      }
    },
  );

  it.each(["dev", "staging", "production"])(
    "%s runs its pods without privileges, with probes and resources, and rolls out without a gap",
    async (overlay) => {
      for (const { spec } of all(await build(overlay), "Deployment")) {
        expect(spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
        expect(spec.template.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10001 });
        const [container] = spec.template.spec.containers;
        expect(container.securityContext).toMatchObject({
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
        });
        expect(container.readinessProbe.httpGet.path).toBe("/ready");
        expect(container.livenessProbe.httpGet.path).toBe("/health");
        expect(container.resources).toMatchObject({ requests: { cpu: expect.any(String) } });
        // No tag would mean latest, which is always pulled.
        expect(container.image).toMatch(/^monitor-(test|agent):[\w.-]+$/);
      }
    },
  );

  it("dev is made for the loop: one pod each, asked every second, gone soon, nothing that needs a newer cluster", async () => {
    const manifests = await build("dev");
    for (const { spec } of all(manifests, "Deployment")) {
      expect(spec.replicas).toBe(1);
      expect(spec.template.spec.terminationGracePeriodSeconds).toBe(3);
      const [container] = spec.template.spec.containers;
      expect(container.readinessProbe.periodSeconds).toBe(1);
      expect(container).not.toHaveProperty("startupProbe");
    }
    const apis = new Set(manifests.map(({ apiVersion }) => apiVersion));
    expect([...apis].sort()).toEqual(["apps/v1", "v1"]);
    // Kubernetes 1.20 refuses a server-side apply of a port without its protocol.
    const ports = [
      ...all(manifests, "Service").flatMap(({ spec }) => spec.ports as unknown[]),
      ...all(manifests, "Deployment").flatMap(
        ({ spec }) => spec.template.spec.containers[0].ports as unknown[],
      ),
    ];
    expect(ports).toHaveLength(4);
    for (const port of ports) expect(port).toMatchObject({ protocol: "TCP" });
  });

  it("staging and production pin their tags and run more than one page", async () => {
    const staging = byName(await build("staging"), "Deployment", "monitor-agent");
    expect(staging.spec.replicas).toBe(2);
    expect(staging.spec.template.spec.containers[0].image).toBe("monitor-agent:1.1.0-rc.1");
    const production = byName(await build("production"), "Deployment", "monitor-test");
    expect(production.spec.replicas).toBe(2);
    expect(production.spec.template.spec.containers[0].image).toBe("monitor-test:1.0.0");
  });

  it("production scales by load, survives a drain, spreads over nodes and is reached from outside", async () => {
    const manifests = await build("production");
    const autoscaler = one(manifests, "HorizontalPodAutoscaler");
    expect(autoscaler.apiVersion).toBe("autoscaling/v2");
    expect(autoscaler.spec.scaleTargetRef.name).toBe("monitor-agent");
    // A number here would undo the autoscaler's with every apply.
    expect(byName(manifests, "Deployment", "monitor-agent").spec).not.toHaveProperty("replicas");
    const budgets = all(manifests, "PodDisruptionBudget");
    expect(budgets.map(({ apiVersion }) => apiVersion)).toEqual(["policy/v1", "policy/v1"]);
    for (const { metadata, spec } of all(manifests, "Deployment")) {
      const app = { "app.kubernetes.io/name": metadata.name };
      expect(spec.template.spec.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual(app);
      expect(byName(budgets, "PodDisruptionBudget", metadata.name).spec.selector.matchLabels).toEqual(app);
    }
    const ingress = one(manifests, "Ingress");
    expect(ingress.apiVersion).toBe("networking.k8s.io/v1");
    expect(ingress.spec.rules[0].http.paths[0].backend.service.name).toBe("monitor-agent");
  });

  it("the base alone holds no secret and no namespace", async () => {
    const manifests = await build("../base");
    expect(manifests.map(({ kind }) => kind).sort()).toEqual([
      "ConfigMap",
      "Deployment",
      "Deployment",
      "Service",
      "Service",
    ]);
  });
});

it("the demo tokens say that they are demo tokens", async () => {
  for (const overlay of ["staging", "production"]) {
    const text = await readFile(`${overlays}${overlay}/demo-token.env`, "utf8");
    expect(text).toMatch(/^MONITOR_TOKEN=demo-token-/);
  }
});

async function build(overlay: string): Promise<readonly Manifest[]> {
  return await renderKustomize(`${overlays}${overlay}`, { signal });
}

function manifestsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

function all(manifests: readonly Manifest[], kind: string): readonly Manifest[] {
  return manifests.filter((manifest) => manifest.kind === kind);
}

function names(manifests: readonly Manifest[], kind: string): readonly string[] {
  return all(manifests, kind)
    .map(({ metadata }) => metadata.name)
    .sort();
}

function one(manifests: readonly Manifest[], kind: string): Manifest {
  const found = all(manifests, kind);
  expect(found, kind).toHaveLength(1);
  return found[0]!;
}

function byName(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = all(manifests, kind).find(({ metadata }) => metadata.name === name);
  expect(found, `${kind} ${name}`).toBeDefined();
  return found!;
}
