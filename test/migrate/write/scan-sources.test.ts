import { chmodSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadCompose } from "../../../src/migrate/compose/load.js";
import { scanSources, type ScanLimits } from "../../../src/migrate/write/scan-sources.js";
import { scratchProject } from "../convert/projects.js";

const { signal } = new AbortController();

const compose = `services:
  api: {build: ./api, networks: {default: {aliases: [backend]}}}
  web: {image: node, volumes: ["./web:/app", "./start.sh:/start.sh", "/etc:/host"]}
`;

interface Found {
  /** `api:5000 web/main.js:3` */
  readonly dialled: readonly string[];
  readonly complete: boolean;
}

async function scan(
  files: Readonly<Record<string, string>>,
  { limits, prepare }: { readonly limits?: ScanLimits; readonly prepare?: (directory: string) => void } = {},
): Promise<Found> {
  const directory = scratchProject({ "compose.yaml": compose, "api/Dockerfile": "FROM x\n", ...files });
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  prepare?.(directory);
  const project = await loadCompose({ cwd: directory, env: {} }, { signal });
  const { dialled, complete } = await scanSources([project, project], {
    signal,
    ...(limits === undefined ? {} : { limits }),
  });
  const shown = dialled.map(
    ({ host, port, file, line }) => `${host}:${port} ${file.slice(directory.length + 1)}:${line}`,
  );
  return { dialled: shown, complete };
}

it("finds ports in build contexts, mounted directories and files, each at its first place", async () => {
  const { dialled, complete } = await scan({
    "api/deep/down/self.go": "\n\nhttp://backend:9000",
    "start.sh": "wget http://api:5002",
    "web/b.js": "fetch('http://api:5000')",
    "web/a.js": "\nfetch('http://api:5000')",
    "elsewhere/c.js": "fetch('http://api:5999')",
  });
  expect(dialled).toEqual([
    "api:5000 web/a.js:2",
    "api:5002 start.sh:1",
    "backend:9000 api/deep/down/self.go:3",
  ]);
  expect(complete).toBe(true);
});

it("leaves out what is no source, what .dockerignore names, links, and what may not be read", async () => {
  const dials = "http://api:5000";
  // Root may read everything.
  const shut = process.getuid?.() === 0 ? [] : ["web/shut.js"];
  const { dialled } = await scan(
    {
      "api/.dockerignore": "ignored\n**/*.log\n!kept.log\n",
      "api/ignored/a.js": dials,
      "api/x.log": dials,
      "api/kept.log": "http://api:6000",
      "api/node_modules/m/a.js": dials,
      "api/.git/config": dials,
      "api/web.Dockerfile": dials,
      "api/README.md": dials,
      "api/image.bin": `\0${dials}`,
      "api/large.js": `${dials}\n${" ".repeat(256 * 1024)}`,
      "web/k8s/.devloop-migrate.json": "{}",
      "web/k8s/.devloop-migrate.json.js": dials,
      ...Object.fromEntries(shut.map((file) => [file, dials])),
      "linked/a.js": dials,
    },
    {
      prepare: (directory) => {
        symlinkSync("../linked", join(directory, "web/link"));
        symlinkSync("../linked/a.js", join(directory, "web/link.js"));
        symlinkSync("gone", join(directory, "web/broken.js"));
        for (const file of shut) chmodSync(join(directory, file), 0);
      },
    },
  );
  expect(dialled).toEqual(["api:6000 api/kept.log:1"]);
});

it.each([
  ["files", 1],
  ["bytes", 5],
  ["entries", 2],
])("stops at a limit of %s, and says so", async (limit, value) => {
  const files = {
    "api/a.js": "http://api:5000",
    "api/b.js": "http://api:5001",
    "web/c.js": "http://api:5002",
  };
  const large = { files: 100, fileBytes: 1000, bytes: 10_000, entries: 1000 };
  const found = await scan(files, { limits: { ...large, [limit]: value } });
  expect(found).toEqual({ dialled: ["api:5000 api/a.js:1"], complete: false });
});

it("reads nothing where every Service reaches every port anyway", async () => {
  const { dialled, complete } = await scan({
    "compose.yaml": "services: {api: {image: a, volumes: ['./web:/app']}}\n",
    "web/a.js": "http://api:5000",
  });
  expect({ dialled, complete }).toEqual({ dialled: [], complete: true });
});
