import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { reflect } from "../../../src/cluster/observe/reflector.js";
import { fakeApi } from "./fake-api.js";
import { eventually } from "../../eventually.js";

/** A namespace's pods, as the API server sends them; each test says what each list and watch gives. */
async function rig(
  watch: (turn: number, response: ServerResponse, version: string) => void,
  { graceMs = 60_000 }: { readonly graceMs?: number } = {},
) {
  const log: string[] = [];
  let lists = 0;
  let watches = 0;
  const api = await fakeApi((url, response) => {
    if (url.searchParams.get("watch") === null) {
      lists += 1;
      response.end(
        JSON.stringify({
          apiVersion: "v1",
          kind: "PodList",
          metadata: { resourceVersion: String(lists * 100) },
          items: [{ metadata: { name: `listed-${lists}`, uid: "1", resourceVersion: "1" } }],
        }),
      );
      return;
    }
    watches += 1;
    const version = url.searchParams.get("resourceVersion") ?? "";
    log.push(`watch ${version}`);
    response.writeHead(200);
    response.flushHeaders();
    watch(watches, response, version);
  });
  const stop = new AbortController();
  const done = reflect(api.kube, {
    path: "/api/v1/namespaces/dev/pods",
    signal: stop.signal,
    timeoutSeconds: 0,
    graceMs,
    backoffMs: { first: 1, most: 10 },
    onSync: (objects) =>
      log.push(`sync ${objects.map((object) => `${object.kind} ${object.metadata.name}`).join()}`),
    onEvent: (type, object) => log.push(`${type} ${object.metadata.name}`),
    onState: (state) => log.push(state),
  });
  return {
    log,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
      await api[Symbol.asyncDispose]();
    },
  };
}
function change(type: string, version: string, name = "web"): string {
  return `${JSON.stringify({ type, object: { kind: "Pod", apiVersion: "v1", metadata: { name, resourceVersion: version } } })}\n`;
}

describe("reflect", () => {
  it("lists, then tells changes, also when their bytes come in pieces", async () => {
    await using run = await rig((turn, response) => {
      if (turn > 1) return;
      const text = change("ADDED", "101", "grün") + change("BOOKMARK", "150") + change("DELETED", "151");
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7));
    });
    await eventually(() => {
      expect(run.log.slice(0, 5)).toEqual([
        "sync Pod listed-1",
        "watch 100",
        "up",
        "ADDED grün",
        "DELETED web",
      ]);
    });
  });

  it("resumes after a lost connection from the last change or bookmark, without listing", async () => {
    await using run = await rig((turn, response) => {
      if (turn === 1) response.write(change("BOOKMARK", "140"), () => response.destroy());
    });
    await eventually(() => {
      expect(run.log).toContain("watch 140");
    });
    expect(run.log.filter((entry) => entry.startsWith("sync"))).toHaveLength(1);
    expect(run.log).not.toContain("down");
  });

  it("lists again when the server has forgotten where the watch was", async () => {
    await using run = await rig((turn, response) => {
      if (turn === 1)
        response.end(
          `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } })}\n`,
        );
    });
    await eventually(() => {
      expect(run.log).toEqual(["sync Pod listed-1", "watch 100", "up", "sync Pod listed-2", "watch 200"]);
    });
  });

  it("a connection that has gone silent for too long is opened again", async () => {
    await using run = await rig(() => undefined, { graceMs: 200 });
    await eventually(() => {
      expect(run.log.filter((entry) => entry === "watch 100").length).toBeGreaterThanOrEqual(2);
    });
  });
});
