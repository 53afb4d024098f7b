// Projects as people have them, as texts by path.

type Files = Readonly<Record<string, string>>;

/** A Deployment and, with ports, its Service. */
function workload(
  name: string,
  image: string,
  {
    ports = [],
    namespace,
  }: { readonly ports?: readonly (number | [number, string])[]; readonly namespace?: string } = {},
): string {
  const metadata = `metadata: { name: ${name}${namespace === undefined ? "" : `, namespace: ${namespace}`} }`;
  const deployment = `apiVersion: apps/v1
kind: Deployment
${metadata}
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers: [{ name: main, image: "${image}" }]
`;
  if (ports.length === 0) return deployment;
  const lines = ports.map((port) =>
    typeof port === "number" ? `    - { port: ${port} }` : `    - { port: ${port[0]}, name: ${port[1]} }`,
  );
  return `${deployment}---
apiVersion: v1
kind: Service
${metadata}
spec:
  selector: { app: ${name} }
  ports:
${lines.join("\n")}
`;
}

function kustomization(...lines: readonly string[]): string {
  return ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", ...lines, ""].join("\n");
}

const nodeDockerfile = `FROM node:20-alpine
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY src ./src
CMD ["node", "src/main.js"]
`;

const goDockerfile = (command: string): string => `FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -o /out/${command} ./cmd/${command}
FROM gcr.io/distroless/static
COPY --from=build /out/${command} /${command}
ENTRYPOINT ["/${command}"]
`;

const nodeApp: Files = {
  Dockerfile: nodeDockerfile,
  "package.json": '{ "name": "@acme/shop", "version": "1.0.0" }',
  "package-lock.json": "{}",
  "src/main.js": "",
};

/** By the name of the file that is expected for each; all lie in a directory called shop. */
export const shapes: Readonly<Record<string, Files>> = {
  "node-kustomize": {
    ...nodeApp,
    "node_modules/thing/Dockerfile": "FROM scratch\n",
    "k8s/base/kustomization.yaml": kustomization("resources: [shop.yaml, redis.yaml]"),
    "k8s/base/shop.yaml": workload("shop", "shop", { ports: [80] }),
    "k8s/base/redis.yaml": workload("redis", "redis:7-alpine", { ports: [6379] }),
    "k8s/overlays/dev/kustomization.yaml": kustomization("namespace: shop-dev", "resources: [../../base]"),
    "k8s/overlays/prod/kustomization.yaml": kustomization("namespace: shop", "resources: [../../base]"),
    ".github/workflows/ci.yaml": "on: push\n",
  },
  "go-monorepo": {
    "go.mod": "module example.com/shop\n",
    "go.sum": "",
    "cmd/api/main.go": "",
    "cmd/api/Dockerfile": goDockerfile("api"),
    "cmd/worker/main.go": "",
    "cmd/worker/Dockerfile": goDockerfile("worker"),
    "build/Dockerfile.migrate": goDockerfile("migrate"),
    "cmd/migrate/main.go": "",
    "tools/lint/Dockerfile": "FROM alpine\nCOPY run.sh /\n",
    "tools/lint/run.sh": "",
    "deploy/kustomization.yaml": kustomization(
      "resources: [api.yaml, worker.yaml]",
      "images: [{ name: shop-worker, newName: example.com/shop-worker }]",
    ),
    "deploy/api.yaml": workload("api", "shop-api:latest", {
      ports: [
        [8080, "http"],
        [9090, "metrics"],
      ],
    }),
    "deploy/worker.yaml": `${workload("worker", "shop-worker")}---
apiVersion: batch/v1
kind: Job
metadata: { name: migrate }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: migrate, image: shop-migrate }]
`,
  },
  "helm-chart": {
    ...nodeApp,
    "charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "charts/shop/values.yaml":
      "image:\n  registry: registry.example.com\n  repository: acme/shop\n  tag: 1.0.0\n",
    "charts/shop/values-dev.yaml": "replicas: 1\n",
    "charts/shop/templates/deployment.yaml":
      'apiVersion: apps/v1\nkind: Deployment\nspec: { image: "{{ .Values.image.repository }}" }\n',
    "charts/shop/charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.1.0\n",
  },
  "plain-manifests": {
    "web/Dockerfile": "FROM nginx\nCOPY . /usr/share/nginx/html\n",
    "web/index.html": "",
    "api/Dockerfile": "FROM python:3.12\nCOPY requirements.txt .\nCOPY . .\n",
    "api/requirements.txt": "",
    "k8s/web.yaml": workload("web", "web", { ports: [80], namespace: "shop" }),
    "k8s/api.yaml": workload("api", "api:v1", { ports: [80, 443], namespace: "shop" }),
    "kind.yaml": "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nmetadata: { name: dev }\n",
    "jobs/cron.yml": workload("cron", "busybox"),
    "jobs/settings.yml": "retries: 3\n",
  },
  "several-overlays": {
    "frontend/Dockerfile": nodeDockerfile,
    "frontend/package.json": '{ "name": "frontend" }',
    "frontend/src/main.js": "",
    "deploy/base/kustomization.yaml": kustomization("resources: [app.yaml]"),
    "deploy/base/app.yaml": workload("frontend", "acme/frontend", { ports: [3000] }),
    "deploy/components/tls/kustomization.yaml":
      "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
    "deploy/overlays/eu/kustomization.yaml": kustomization("resources: [../../base]"),
    "deploy/overlays/staging/kustomization.yaml": kustomization("resources: [../../base]"),
    "deploy/overlays/us/kustomization.yaml": kustomization(
      "resources: [../../base]",
      "components: [../../components/tls]",
    ),
    "charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
  },
  "docker-directory": {
    "docker/Dockerfile": nodeDockerfile,
    "docker/Dockerfile.dev": nodeDockerfile,
    "docker/nginx/proxy.Dockerfile": "FROM nginx\nCOPY docker/nginx/site.conf /etc/nginx/conf.d/\n",
    "docker/nginx/site.conf": "",
    "package.json": '{ "name": "shop" }',
    "src/main.js": "",
    "manifests/app.yaml": workload("shop", "shop", { ports: [3000] }),
    "manifests/proxy.yaml": workload("proxy", "shop-proxy", { ports: [3000] }),
  },
  "registry-names": {
    "services/orders/Dockerfile": nodeDockerfile,
    "services/orders/package.json": '{ "name": "@acme/orders" }',
    "services/Dockerfile": "FROM golang AS billing\nCOPY go.mod .\nFROM golang AS invoices\nCOPY go.mod .\n",
    "services/go.mod": "",
    "k8s/dev/kustomization.yaml": kustomization("resources: [all.yaml]"),
    "k8s/dev/all.yaml": [
      workload("orders", "registry.example.com:5000/acme/orders:1.2@sha256:abc", { ports: [8080] }),
      workload("billing", "ghcr.io/acme/shop_billing:v3", { ports: [8080] }),
      workload("invoices", "ghcr.io/acme/invoices", { ports: [[8080, "http"]] }),
      workload("db", "quay.io/sclorg/postgresql-16-c9s", { ports: [5432] }),
    ].join("---\n"),
  },
};
