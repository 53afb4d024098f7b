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
  // Each service with its own manifests, as teams keep them.
  "service-overlays": {
    ...Object.fromEntries(
      ["cart", "search", "web"].flatMap((name) => [
        [`services/${name}/Dockerfile`, nodeDockerfile],
        [`services/${name}/package.json`, `{ "name": "@acme/${name}" }`],
        [`services/${name}/package-lock.json`, "{}"],
        [`services/${name}/src/main.js`, ""],
        [`services/${name}/deploy/base/kustomization.yaml`, kustomization("resources: [all.yaml]")],
        [`services/${name}/deploy/base/all.yaml`, workload(name, `acme/${name}`, { ports: [8080] })],
        ...["development", "production"].map((overlay) => [
          `services/${name}/deploy/overlays/${overlay}/kustomization.yaml`,
          kustomization("namespace: shop", "resources: [../../base]"),
        ]),
      ]),
    ),
  },
  "python-kustomize": {
    Dockerfile: `FROM python:3.12-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY shop ./shop
EXPOSE 8000
CMD ["gunicorn", "shop.wsgi"]
`,
    "requirements.txt": "django\ngunicorn\n",
    "shop/wsgi.py": "",
    "manage.py": "",
    "deploy/base/kustomization.yaml": kustomization("resources: [app.yaml, postgres.yaml]"),
    "deploy/base/app.yaml": workload("django", "ghcr.io/acme/shop", { ports: [[8000, "http"]] }),
    "deploy/base/postgres.yaml": workload("postgres", "postgres:16", { ports: [5432] }),
    "deploy/environments/local/kustomization.yaml": kustomization("resources: [../../base]"),
    "deploy/environments/staging/kustomization.yaml": kustomization("resources: [../../base]"),
  },
  "skaffold-kustomize": {
    "skaffold.yaml": `apiVersion: skaffold/v4beta11
kind: Config
metadata: { name: shop }
build:
  tagPolicy: { sha256: {} }
  artifacts:
    - image: eu.gcr.io/acme/storefront
      context: apps/front
      docker: { dockerfile: build/Dockerfile, target: runtime, buildArgs: { REVISION: "7", WHO: "{{.USER}}" } }
      sync: { infer: ["**/*.ts"] }
    - image: eu.gcr.io/acme/backend
      context: .
      docker: { dockerfile: apps/back/Dockerfile, cacheFrom: [eu.gcr.io/acme/backend] }
    - image: eu.gcr.io/acme/reports
      jib: {}
manifests:
  kustomize: { paths: [deploy/overlays/eu] }
portForward:
  - { resourceType: service, resourceName: storefront, port: 80, localPort: 9000 }
  - { resourceType: deployment, resourceName: backend, port: 9229 }
profiles:
  - name: prod
`,
    "apps/front/build/Dockerfile": "FROM node:20 AS runtime\nCOPY src src\n",
    "apps/front/src/main.ts": "",
    "apps/back/Dockerfile": goDockerfile("back"),
    "go.mod": "module example.com/shop\n",
    "go.sum": "",
    "deploy/base/kustomization.yaml": kustomization("resources: [all.yaml]"),
    "deploy/base/all.yaml": [
      workload("storefront", "eu.gcr.io/acme/storefront", { ports: [80, 81] }),
      workload("backend", "eu.gcr.io/acme/backend", { ports: [9000] }),
      workload("reports", "eu.gcr.io/acme/reports"),
    ].join("---\n"),
    "deploy/overlays/eu/kustomization.yaml": kustomization("resources: [../../base]"),
    "deploy/overlays/us/kustomization.yaml": kustomization("resources: [../../base]"),
  },
  "skaffold-old-kubectl": {
    "skaffold.yaml": `apiVersion: skaffold/v2beta29
kind: Config
build:
  artifacts:
    - image: shop
deploy:
  kubectl: { manifests: ["k8s/*.yaml"] }
`,
    ...nodeApp,
    "k8s/shop.yaml": workload("shop", "shop", { ports: [3000] }),
  },
  tiltfile: {
    Tiltfile: "docker_build('shop', '.')\nk8s_yaml('k8s/shop.yaml')\n",
    ...nodeApp,
    "k8s/shop.yaml": workload("shop", "shop", { ports: [3000] }),
  },
};
