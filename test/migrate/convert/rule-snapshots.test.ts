import { readFileSync, readdirSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { reportRows } from "../../../src/migrate/convert/emit/report.js";
import { convertDirectory, scratchProject, type Converted } from "./projects.js";

const root = new URL("../../fixtures/migrate/", import.meta.url).pathname;
const rules = new URL("../../../src/migrate/convert/rules/", import.meta.url).pathname;

/** What lies beside every compose file here. */
const beside = {
  "one.env": "ONE=1\nPLAIN=from the file\n",
  "app.conf": "listen 80\n",
  "tls.key": "not a key\n",
  Dockerfile: "FROM web\nCOPY . /app\n",
  "src/main.js": "start();\n",
};
const env = { THE_TOKEN: "a token", COMMIT: "abc", ADMIN_PASSWORD: "letmein" };

describe("what each rule makes", () => {
  it.each(readdirSync(root))("%s", async (name) => {
    const compose = readFileSync(`${root}${name}/compose.yaml`, "utf8");
    const directory = scratchProject({ ...beside, "compose.yaml": compose });
    onTestFinished(() => {
      rmSync(directory, { recursive: true });
    });
    const text = shown(await convertDirectory(directory, { env }));
    await expect(text).toMatchFileSnapshot(`${root}${name}/expected.txt`);
  });

  it("is recorded of every rule", () => {
    const all = readdirSync(rules).map((file) => basename(file, ".ts"));
    expect(readdirSync(root).sort()).toEqual(all.sort());
  });
});

/** The files of the base and the secrets, devloop.yaml, and what the report says of each key. */
function shown({ files, report }: Converted): string {
  const told = files.filter(
    ({ path }) =>
      path === "devloop.yaml" ||
      /^k8s\/(base\/|components\/.*deployment|overlays\/dev\/secrets\/[^.]+\.env$)/.test(path),
  );
  const rows = reportRows(report).map(
    ({ path, outcome, text }) => `${path.slice(1).join(".") || path.join(".")}: ${outcome}: ${text}`,
  );
  const texts = told
    .filter(({ path }) => !path.endsWith("kustomization.yaml"))
    .map(({ path, content }) => `==> ${path}\n${Buffer.from(content).toString()}`);
  return [...texts, "==> MIGRATION.md", ...rows, ""].join("\n");
}
