import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { explainCommand } from "../../src/commands/explain.js";
import { project, yaml } from "../config/project.js";

it("says for images with sync rules where a change goes, and which rule or pattern decides", async () => {
  await using demo = await project({
    "devloop.yaml": yaml(`images:
  web:
    context: web
    ignore: [tmp]
    sync:
      - { src: src, dest: /app/src, ignore: ["**/*.test.js"], then: restart }
      - { src: "*.c", dest: /app, then: { exec: make all, when: ["a*"] } }
      - { src: src/both.js, dest: /srv/ }
      - { src: link, dest: /app/link }
    rebuild: [src/gen]
  auto: { context: auto, sync: auto }
  none: { context: none, sync: auto }
  plain: { context: plain }
`),
    "web/src/both.js": "",
    "web/Dockerfile": "FROM scratch\nCOPY . /app\n",
    "auto/Dockerfile": "FROM x\nWORKDIR /app\nCOPY package.json ./\nRUN make\nCOPY . .\n",
    "none/Dockerfile": "FROM x\nCOPY . .\nRUN make\n",
    "plain/Dockerfile": "FROM x\n",
  });
  await symlink("src", join(demo.directory, "web/link"));
  const explain = async (path: string): Promise<readonly string[]> => {
    let output = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
      output += String(chunk);
      return true;
    });
    try {
      const file = join(demo.directory, "devloop.yaml");
      await explainCommand({ cwd: demo.directory, file, profiles: [], paths: [path], env: {} });
    } finally {
      write.mockRestore();
    }
    return output.trimEnd().split("\n").slice(1);
  };
  expect(await explain("web/src/a.js")).toEqual([
    "  image web: sync to /app/src/a.js, then restart, because rule 1 (src → /app/src) covers it",
  ]);
  expect(await explain("web/src/both.js")).toEqual([
    "  image web: sync to /app/src/both.js and /srv/both.js, then restart, because rule 1 (src → /app/src) covers it and rule 3 (src/both.js → /srv/) covers it",
  ]);
  expect(await explain("web/a.c")).toEqual([
    "  image web: sync to /app/a.c, then run sh -c make all, because rule 2 (*.c → /app) covers it",
  ]);
  expect(await explain("web/b.c")).toEqual([
    "  image web: sync to /app/b.c, because rule 2 (*.c → /app) covers it",
  ]);
  expect(await explain("web/src")).toEqual([
    "  image web: sync to /app/src, then restart, because rule 1 (src → /app/src) covers it",
  ]);
  expect(await explain("web/src/gen/x")).toEqual([
    '  image web: rebuild, because "src/gen" is in its rebuild list',
  ]);
  expect(await explain("web/src/a.test.js")).toEqual([
    '  image web: rebuild, because rule 1 leaves it out: "**/*.test.js"',
  ]);
  expect(await explain("web/other.js")).toEqual(["  image web: rebuild, because no sync rule covers it"]);
  expect(await explain("web/link")).toEqual([
    "  image web: rebuild, because rule 4 does not say where a link goes",
  ]);
  expect(await explain("web/Dockerfile")).toEqual([
    "  image web: rebuild, because it is one of the files that are read by name",
  ]);
  expect(await explain("web/tmp/x")).toEqual([
    '  image web: nothing, "tmp" excludes it (ignore in devloop.yaml)',
  ]);
  expect(await explain("web")).toEqual(["  image web: rebuild, because it lies in web"]);
  expect(await explain("auto/src/a.js")).toEqual([
    "  image auto: sync to /app/src/a.js, because rule 1 (. → /app, from COPY in Dockerfile:5) covers it",
  ]);
  expect(await explain("auto/package.json")).toEqual([
    '  image auto: rebuild, because "package.json" is in its rebuild list',
  ]);
  expect(await explain("none/a")).toEqual([
    "  image none: rebuild, because no sync rule covers it; nothing is inferred: COPY in Dockerfile:2 brings the whole context before RUN in Dockerfile:3, which may have used it",
  ]);
  expect(await explain("plain/a")).toEqual(["  image plain: rebuild, because it lies in plain"]);
});
