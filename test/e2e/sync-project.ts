import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { api, providerOf, type TestCluster } from "./clusters.js";
import { freePort, scratchDirectory, type ScratchDirectory } from "./scratch.js";

/** A project whose files are synced, with a forward to port 8080 of each app that serves pages. */
export interface SyncProject extends ScratchDirectory {
  readonly port: (app: string) => number;
  /** How many pods an app is to have: by the API server, or by the manifest where there is none. */
  readonly scale: (app: string, replicas: number) => Promise<void>;
}

export interface App {
  readonly name: string;
  /** Of the Dockerfile, beside those of the directory that has the image's name. */
  readonly image: string;
  readonly replicas?: number;
  readonly serves?: boolean;
  /** Of the pod's spec, as JSON has it; its containers are named and get the image. */
  readonly containers?: readonly object[];
  readonly pod?: object;
  readonly container?: object;
}

export interface SyncProjectSpec {
  /** Of devloop.yaml: an image's keys beside its context, indented by four spaces. */
  readonly images: Readonly<Record<string, string>>;
  readonly apps: readonly App[];
  readonly files: Readonly<Record<string, string>>;
}

/** Makes it; disposing removes it and its namespace. */
export async function syncProject(
  cluster: TestCluster,
  name: string,
  { images, apps, files }: SyncProjectSpec,
): Promise<SyncProject> {
  const ports = new Map<string, number>();
  for (const { name: app, serves } of apps) if (serves) ports.set(app, await freePort());
  const project = await scratchDirectory(cluster, name, (namespace) => ({
    "devloop.yaml": `version: 1
name: ${namespace}
cluster:
  namespace: ${namespace}
${providerOf(cluster)}images:
${Object.entries(images)
  .map(([image, keys]) => `  ${image}:\n    context: ${image}\n${keys}`)
  .join("\n")}
deploy: [{ manifests: "k8s/*.yaml" }]
forwards:
${[...ports].map(([app, port]) => `  - { deployment: ${app}, local: ${port}, remote: 8080 }`).join("\n") || "  []"}
`,
    "k8s/namespace.yaml": `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${namespace} }\n`,
    ...Object.fromEntries(apps.map((app) => [manifestOf(app), JSON.stringify(deployment(app))])),
    ...files,
  }));
  return {
    ...project,
    port: (app) => {
      const port = ports.get(app);
      if (port === undefined) throw new Error(`${app} serves no pages`);
      return port;
    },
    async scale(name, replicas) {
      const app = apps.find((each) => each.name === name);
      if (!app) throw new Error(`there is no app ${name}`);
      if (cluster.flavour === "docker")
        await project.write(manifestOf(app), JSON.stringify(deployment({ ...app, replicas })));
      else
        await api(cluster).patch(`/apis/apps/v1/namespaces/${project.namespace}/deployments/${name}/scale`, {
          spec: { replicas },
        });
    },
  };
}

function manifestOf({ name }: App): string {
  return `k8s/${name}.yaml`;
}

function deployment({ name, image, replicas, serves, containers = [], pod, container }: App): object {
  const probe = serves ? { readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 } } : {};
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name, image, ...probe, ...container }, ...containers],
          ...pod,
        },
      },
    },
  };
}

/** A busybox web server of the files in /www, which is not PID 1: that would ignore the signal that ends it. */
export const webDockerfile = `FROM busybox:1
RUN mkdir /www && echo of the image > /www/own.txt
COPY start.sh /start.sh
COPY www /www
CMD ["sh", "/start.sh"]
`;
export const webStart = `httpd -f -p 8080 -h /www &\ntrap 'kill $!; exit 0' TERM\nwait\n`;

/** Makes a symbolic link in a project. */
export async function link(project: ScratchDirectory, target: string, path: string): Promise<void> {
  await symlink(target, join(project.root, path));
}
