import { stringify } from "yaml";
import { chooseContext } from "./choose-context.js";
import { withoutAsides } from "./environments.js";
import { chooseForwards } from "./choose-forwards.js";
import type { Findings, FoundDockerfile, InitPlan } from "./model.js";
import { imageNameOf } from "./pair-images.js";

const base = "k8s/base";
const overlay = "k8s/overlays/dev";

/** What devloop.yaml says of manifests that are made for it, and their texts by path. */
export interface Generated {
  readonly plan: InitPlan;
  readonly files: ReadonlyMap<string, string>;
}

/** A Deployment for each Dockerfile, and a Service where it exposes ports: a kustomize base, and an overlay for development. */
export function generateManifests(project: string, found: Findings): Generated {
  const images = namedImages(project, found);
  const namespace = `${project}-dev`;
  const services = images
    .filter(({ dockerfile }) => dockerfile.ports.length > 0)
    .map(({ image, dockerfile }) => ({
      name: image,
      namespace: undefined,
      ports: dockerfile.ports.map((port) => ({ port, name: portName(port) })),
    }));
  const facts = { images: images.map(({ image }) => image), services, namespaces: [namespace] };
  return {
    plan: {
      name: project,
      namespace,
      images,
      pulled: [],
      unused: [],
      deploys: [{ source: { kind: "kustomize", path: overlay }, others: [] }],
      leftOut: [],
      forwards: chooseForwards([facts], namespace),
      unread: found.unread,
    },
    files: new Map([
      ...images.map(({ image, dockerfile }): [string, string] => [
        `${base}/${image}.yaml`,
        workload(image, dockerfile),
      ]),
      [
        `${base}/kustomization.yaml`,
        kustomization({ resources: images.map(({ image }) => `${image}.yaml`) }),
      ],
      [`${overlay}/kustomization.yaml`, kustomization({ namespace, resources: ["../../base"] })],
    ]),
  };
}

/** Two Dockerfiles may have one name by their directories: the later ones get a number. */
function namedImages(project: string, { dockerfiles, files }: Findings): InitPlan["images"] {
  const taken = new Set<string>();
  return withoutAsides(dockerfiles, ({ path }) => path).map((dockerfile) => {
    const name = imageNameOf(dockerfile, project);
    let image = name;
    for (let number = 2; taken.has(image); number += 1) image = `${name}-${number}`;
    taken.add(image);
    return { image, dockerfile, context: chooseContext(dockerfile, files) };
  });
}

function workload(name: string, { path, ports }: FoundDockerfile): string {
  const labels = { "app.kubernetes.io/name": name };
  const [first] = ports;
  const container = {
    name,
    image: name,
    ...(first === undefined
      ? {}
      : {
          ports: ports.map((port) => ({ name: portName(port), containerPort: port, protocol: "TCP" })),
          readinessProbe: { tcpSocket: { port: portName(first) }, periodSeconds: 2 },
        }),
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels },
    spec: {
      selector: labels,
      ports: ports.map((port) => ({
        name: portName(port),
        port,
        targetPort: portName(port),
        protocol: "TCP",
      })),
    },
  };
  const head = [
    `# Made by devloop init from ${path}; yours to edit.`,
    ...(first === undefined
      ? [`# ${path} has no EXPOSE: where it listens, add ports, a readiness probe and a Service.`]
      : []),
  ];
  const objects = first === undefined ? [deployment] : [deployment, service];
  return `${head.join("\n")}\n${objects.map((object) => yaml(object)).join("---\n")}`;
}

function kustomization(fields: Readonly<Record<string, unknown>>): string {
  return yaml({ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", ...fields });
}

function yaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

function portName(port: number): string {
  return port === 80 || port === 8080 ? `http-${port}` : `tcp-${port}`;
}
