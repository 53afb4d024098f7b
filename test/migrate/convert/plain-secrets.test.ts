import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { looksSecret } from "../../../src/migrate/convert/secrets.js";
import { convertText } from "./projects.js";

describe("what looks secret", () => {
  it.each(["DB_PWD", "PASSWORD1", "MYSQL_PASS", "DBPASS", "HASH_SALT", "REDIS_AUTH", "API_KEY2", "PASSWD"])(
    "%s does",
    (name) => {
      expect(looksSecret(name, "x")).toBe(true);
    },
  );

  it.each([
    "BYPASS",
    "COMPASS",
    "BYPASS_CACHE",
    "PWD",
    "OLDPWD",
    "AUTHOR",
    "AUTH_ENABLED",
    "KEYBOARD",
    "MODE",
  ])("%s does not", (name) => {
    expect(looksSecret(name, "x")).toBe(false);
  });
});

describe("a secret variable in a place that is committed", () => {
  const text = `services:
  web:
    image: web:1
    build: {context: ., args: {NPM: "\${NPM_TOKEN}", MODE: "\${MODE}", MIXED: "x-\${NPM_TOKEN}$$-\${MODE:-slow}", ODD: "\${NPM_TOKEN:+set}"}}
    command: ["serve", "--token", "\${NPM_TOKEN}", "\${MODE}"]
    labels: {a: "\${NPM_TOKEN}"}
    healthcheck: {test: ["CMD", "check", "\${NPM_TOKEN}"]}
    environment: {SETTINGS: "t=\${NPM_TOKEN}"}
`;
  const files = { ".env": "NPM_TOKEN=hunter2\nMODE=fast\n", Dockerfile: "FROM node\nCOPY . /app\n" };

  it("is told with the place", async () => {
    const { told } = await convertText(text, { files });
    for (const path of ["command.2", "labels.a", "healthcheck.test.2", "build.args.ODD"])
      expect(told(`services.web.${path}`)).toMatch(/^decision: the value of NPM_TOKEN/);
    for (const [arg, text] of Object.entries({ NPM: "${NPM_TOKEN:-}", MIXED: "x-${NPM_TOKEN:-}" }))
      expect(told(`services.web.build.args.${arg}`)).toContain(`decision: ${text}`);
    expect(told("services.web.command.3")).toMatch(/^converted/);
    expect(told("services.web.build.args.MODE")).toMatch(/^converted/);
  });

  it("stays a variable as a build argument, and a Secret as a variable of the container", async () => {
    const { file } = await convertText(text, { files });
    expect(parse(file("devloop.yaml"))).toMatchObject({
      images: {
        web: { args: { NPM: "${NPM_TOKEN:-}", MODE: "fast", MIXED: "x-${NPM_TOKEN:-}$$-${MODE:-slow}" } },
      },
    });
    expect(file("devloop.yaml")).not.toContain("hunter2");
    expect(file("k8s/overlays/dev/secrets/web-secrets.env")).toContain("t=hunter2");
    expect(file("k8s/base/web/deployment.yaml")).not.toContain("t=hunter2");
  });
});
