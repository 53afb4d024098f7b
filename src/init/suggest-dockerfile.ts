import type { Findings } from "./model.js";

/** A program without a Dockerfile: the file that gives it away, and a Dockerfile to begin with. */
export interface Suggestion {
  readonly evidence: string;
  readonly text: string;
}

/** For a project at whose top a program lies, and no Dockerfile anywhere; undefined where nothing gives one away. */
export function suggestDockerfile({ files }: Pick<Findings, "files">): Suggestion | undefined {
  const has = (path: string): boolean => files.includes(path);
  if (has("package.json")) {
    const locked = has("package-lock.json");
    const manager = has("pnpm-lock.yaml") ? "pnpm" : has("yarn.lock") ? "yarn" : "npm";
    const install = {
      npm: locked ? "npm ci" : "npm install",
      pnpm: "corepack enable && pnpm install --frozen-lockfile",
      yarn: "corepack enable && yarn install --immutable",
    }[manager];
    const lock = files.filter((file) => /^(package-lock\.json|pnpm-lock\.yaml|yarn\.lock)$/.test(file));
    return suggestion("package.json", [
      "FROM node:22-slim",
      "WORKDIR /app",
      `COPY ${["package.json", ...lock].join(" ")} ./`,
      `RUN ${install}`,
      "COPY . .",
      `CMD ["${manager}", "start"]`,
    ]);
  }
  if (has("go.mod")) {
    const main = files.find((file) => /^cmd\/[^/]+\/main\.go$/.test(file));
    const program = main === undefined ? "." : `./${main.replace(/\/main\.go$/, "")}`;
    return suggestion("go.mod", [
      "FROM golang:1 AS build",
      "WORKDIR /src",
      `COPY go.mod ${has("go.sum") ? "go.sum " : ""}./`,
      "RUN go mod download",
      "COPY . .",
      `RUN CGO_ENABLED=0 go build -o /app ${program}`,
      "FROM gcr.io/distroless/static",
      "COPY --from=build /app /app",
      'ENTRYPOINT ["/app"]',
    ]);
  }
  const python = ["requirements.txt", "pyproject.toml"].find(has);
  if (python === undefined) return undefined;
  const main = ["main.py", "app.py", "manage.py"].find(has) ?? "main.py";
  return suggestion(python, [
    "FROM python:3-slim",
    "WORKDIR /app",
    ...(python === "requirements.txt"
      ? ["COPY requirements.txt .", "RUN pip install --no-cache-dir -r requirements.txt", "COPY . ."]
      : ["COPY . .", "RUN pip install --no-cache-dir ."]),
    `CMD ["python", "${main}"]`,
  ]);
}

function suggestion(evidence: string, lines: readonly string[]): Suggestion {
  return { evidence, text: `${lines.join("\n")}\n` };
}
