import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeBundle } from "../../src/commands/debug-bundle.js";
import { followEvents } from "../../src/commands/event-history.js";
import { safeConfig } from "../../src/config/safe-text.js";
import { createStore } from "../../src/engine/store.js";
import { createLogStore } from "../../src/output/logs/log-store.js";
import { imageSpec } from "../fakes/project.js";
import { sampleLogLine, sampleProject, sampleState } from "../fakes/state.js";
import { sampleEvents } from "../output/sample-events.js";

const config = `version: 1
name: monitor # the team's token: in-a-comment-4711
images:
  monitor-agent:
    context: \${AGENT_KEY_DIR:-in-a-default-4711}/services
    args: { NPM_TOKEN: in-an-argument-4711, PORT: "8888" }
    cacheFrom: ["https://me:in-an-address-4711@registry.example.com/cache"]
    secrets:
      npm: { env: NPM_RC }
  other:
    dockerfileInline: |
      FROM scratch
      ENV A=in-a-dockerfile-4711
deploy:
  - helm:
      chart: c
      release: r
      set:
        db.password: |-
          in-a-block-4711
        replicas: "2"
profiles:
  ci: { activation: [{ env: CI_TOKEN=in-a-pair-4711 }] }
`;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "devloop-bundle-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("a debug bundle", () => {
  it("holds versions, config, state, events and logs, for its owner alone, and no secret anywhere", async () => {
    const configFile = join(root, "devloop.yaml");
    await writeFile(configFile, config);
    const images = [
      { ...imageSpec("monitor-agent"), args: { NPM_TOKEN: "in-an-argument-4711", PORT: "8888" } },
    ];
    const sample = sampleState();
    const agent = sample.images["monitor-agent"]!;
    const store = createStore(
      sampleState({
        project: { ...sampleProject, images },
        images: { ...sample.images, "monitor-agent": { ...agent, spec: images[0]! } },
      }),
    );
    using events = followEvents(store);
    await using logs = createLogStore(join(root, "logs"));
    store.dispatch(sampleEvents["task.started"]);
    store.dispatch({
      ...sampleEvents["task.failed"],
      failure: { code: "BUILD_FAILED", message: "npm: in-an-argument-4711 was refused" },
    });
    logs.append([sampleLogLine("monitor-agent", "connecting with in-a-block-4711")]);
    const path = join(root, "bundle");
    await writeBundle(path, {
      ...{ state: store.getSnapshot(), logs, events, configFile },
      signal: new AbortController().signal,
    });

    const files = await readdir(path);
    expect(files.sort()).toEqual(["devloop.yaml", "events.jsonl", "logs.txt", "state.json", "versions.json"]);
    const texts: Record<string, string> = {};
    for (const name of files) {
      texts[name] = await readFile(join(path, name), "utf8");
      expect([name, texts[name].match(/in-an?-\w+-4711/g)]).toEqual([name, null]);
      expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect(texts["events.jsonl"]).toContain('"message":"npm: (hidden) was refused"');
    expect(texts["logs.txt"]).toContain("connecting with (hidden)");
    expect(JSON.parse(texts["state.json"]!)).toMatchObject({ project: { name: "monitor" } });
    expect(texts["devloop.yaml"]).toContain('NPM_TOKEN: "(hidden)", PORT: "8888"');
    expect(texts["devloop.yaml"]).toContain("npm: { env: NPM_RC }");
  });

  it("leaves out a config that is no YAML", () => {
    expect(safeConfig("a: [")).toBeUndefined();
  });
});
