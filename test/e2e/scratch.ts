import { chmodSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { api, providerOf, type TestCluster } from "./clusters.js";

/** A project of a test's own, in a directory of its own. */
export interface ScratchDirectory extends AsyncDisposable {
  readonly root: string;
  readonly namespace: string;
  write(path: string, text: string): Promise<void>;
  /** Writes several files, one right after the other. */
  writeAll(files: Readonly<Record<string, string>>): Promise<void>;
  read(path: string): Promise<string>;
  remove(path: string): Promise<void>;
  /** Replaces text in a file; fails when it is not there. */
  edit(path: string, from: string, to: string): Promise<void>;
}

/** A small project of two busybox web servers, web and api. */
export interface Scratch extends ScratchDirectory {
  readonly ports: { readonly web: number; readonly api: number };
}

/** Makes the project, its namespace named after the test; disposing removes both. */
export async function scratchProject(cluster: TestCluster, name: string): Promise<Scratch> {
  const ports = { web: await freePort(), api: await freePort() };
  return {
    ...(await scratchDirectory(cluster, name, (namespace) => files(cluster, namespace, ports))),
    ports,
  };
}

/** Makes a project of these files; disposing removes its namespace and its directory. */
export async function scratchDirectory(
  cluster: TestCluster,
  name: string,
  filesOf: (namespace: string) => Readonly<Record<string, string>>,
): Promise<ScratchDirectory> {
  const root = await mkdtemp(join(tmpdir(), `devloop-e2e-${name}-`));
  // A name of its own for each run: a namespace of an earlier one may still be terminating.
  const namespace = `e2e-${name}-${Math.random().toString(36).slice(2, 7)}`;
  const at = (path: string): string => join(root, path);
  // Each is moved into its place, as editors do it: on a busy machine devloop would else see a file that is emptied and not yet written.
  const writeAll = (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(at(path)), { recursive: true });
      const mode = statSync(at(path), { throwIfNoEntry: false })?.mode;
      writeFileSync(at(".saved"), text);
      if (mode !== undefined) chmodSync(at(".saved"), mode);
      renameSync(at(".saved"), at(path));
    }
    return Promise.resolve();
  };
  const write = (path: string, text: string): Promise<void> => writeAll({ [path]: text });
  const read = (path: string): Promise<string> => readFile(at(path), "utf8");
  await writeAll(filesOf(namespace));
  return {
    root,
    namespace,
    write,
    writeAll,
    read,
    remove: (path) => rm(at(path), { recursive: true }),
    async edit(path, from, to) {
      const text = await read(path);
      if (!text.includes(from)) throw new Error(`${path} does not hold ${from}`);
      await write(path, text.replace(from, to));
    },
    async [Symbol.asyncDispose]() {
      // Everything that the tests make lies in the namespace; nobody waits for its pods to be gone.
      await api(cluster).remove(`/api/v1/namespaces/${namespace}`);
      await rm(root, { recursive: true, force: true });
    },
  };
}

function files(cluster: TestCluster, namespace: string, ports: Scratch["ports"]): Record<string, string> {
  return {
    "devloop.yaml": `version: 1
name: ${namespace}
cluster:
  namespace: ${namespace}
${providerOf(cluster)}images:
  web:
    context: web
  api:
    context: api
deploy:
  - kustomize: k8s/overlays/dev
forwards:
  - { service: web, local: ${ports.web}, remote: 80 }
  - { service: api, local: ${ports.api}, remote: 80 }
`,
    ...service("web"),
    ...service("api"),
    "k8s/base/kustomization.yaml": `resources: [web.yaml, api.yaml, extra.yaml]\n`,
    "k8s/base/extra.yaml": `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra }\ndata: { a: "1" }\n`,
    "k8s/overlays/dev/kustomization.yaml": `namespace: ${namespace}
resources: [../../base, namespace.yaml]
patches:
  - path: patch.yaml
configMapGenerator:
  - name: settings
    envs: [settings.env]
`,
    "k8s/overlays/dev/namespace.yaml": `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${namespace} }\n`,
    "k8s/overlays/dev/settings.env": "COLOUR=red\n",
    "k8s/overlays/dev/patch.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    metadata:
      annotations: { patched: "no" }
`,
  };
}

function service(name: string): Record<string, string> {
  return {
    [`${name}/Dockerfile`]: `FROM busybox:1
COPY slow /slow
RUN sleep $(cat /slow)
COPY www /www
COPY start.sh /start.sh
CMD ["sh", "/start.sh"]
`,
    [`${name}/slow`]: "0\n",
    // The server is not PID 1: that would ignore the signal that ends it.
    [`${name}/start.sh`]: `echo started ${name}\nhttpd -f -p 8080 -h /www &\ntrap 'sleep 1; kill $!; exit 0' TERM\nwait\n`,
    [`${name}/www/index.html`]: `${name} version 1\n`,
    [`k8s/base/${name}.yaml`]: `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: ${name}
          image: ${name}
          envFrom: [{ configMapRef: { name: settings } }]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ port: 80, targetPort: 8080 }]
`,
  };
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
