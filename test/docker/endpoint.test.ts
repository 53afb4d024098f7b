import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findEngine } from "../../src/docker/endpoint.js";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "devloop-home-"));
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

async function write(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), typeof content === "string" ? content : JSON.stringify(content));
}
const idOf = (name: string): string => createHash("sha256").update(name).digest("hex");

describe("findEngine", () => {
  it("takes DOCKER_HOST in each of its forms", () => {
    const connection = (host: string, env: Record<string, string> = {}): unknown =>
      findEngine({ DOCKER_HOST: host, ...env }, { home }).connection;
    expect(connection("unix:///run/x.sock")).toEqual({ kind: "socket", path: "/run/x.sock" });
    expect(connection("npipe:////./pipe/docker_engine")).toEqual({
      kind: "socket",
      path: "//./pipe/docker_engine",
    });
    expect(connection("tcp://10.0.0.5")).toEqual({ kind: "tcp", host: "10.0.0.5", port: 2375 });
    expect(connection("10.0.0.5:99")).toEqual({ kind: "tcp", host: "10.0.0.5", port: 99 });
    expect(connection("tcp://[::1]:2375")).toEqual({ kind: "tcp", host: "::1", port: 2375 });
    expect(connection("ssh://me@build:2222")).toEqual({
      kind: "ssh",
      host: "build",
      port: 2222,
      username: "me",
    });
    expect(() => connection("ftp://x")).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
  it("reads certificates for DOCKER_TLS_VERIFY", async () => {
    await write("certs/ca.pem", "CA");
    await write("certs/cert.pem", "CERT");
    await write("certs/key.pem", "KEY");
    const env = { DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: join(home, "certs") };
    expect(findEngine(env, { home }).connection).toEqual({
      kind: "tcp",
      host: "h",
      port: 2376,
      tls: { verify: true, ca: "CA", cert: "CERT", key: "KEY" },
    });
  });
  it("takes the current context, DOCKER_CONTEXT before it and DOCKER_HOST before both", async () => {
    await write(".docker/config.json", { currentContext: "colima" });
    await write(`.docker/contexts/meta/${idOf("colima")}/meta.json`, {
      Name: "colima",
      Endpoints: { docker: { Host: "unix:///c.sock", SkipTLSVerify: false } },
    });
    await write(`.docker/contexts/meta/${idOf("far")}/meta.json`, {
      Name: "far",
      Endpoints: { docker: { Host: "tcp://far:2376", SkipTLSVerify: true } },
    });
    await write(`.docker/contexts/tls/${idOf("far")}/docker/ca.pem`, "CA");
    expect(findEngine({}, { home })).toEqual({
      address: "unix:///c.sock",
      source: "context colima",
      connection: { kind: "socket", path: "/c.sock" },
    });
    expect(findEngine({ DOCKER_CONTEXT: "far" }, { home }).connection).toEqual({
      kind: "tcp",
      host: "far",
      port: 2376,
      tls: { verify: false, ca: "CA" },
    });
    expect(findEngine({ DOCKER_CONTEXT: "far", DOCKER_HOST: "unix:///h" }, { home }).source).toBe(
      "DOCKER_HOST",
    );
    expect(findEngine({ DOCKER_CONTEXT: "default" }, { home }).source).toBe("default");
  });
  it("honours DOCKER_CONFIG, and names a context that is not there", async () => {
    await write("other/config.json", { currentContext: "gone" });
    expect(() => findEngine({ DOCKER_CONFIG: join(home, "other") }, { home })).toThrow(
      expect.objectContaining({
        code: "ENGINE_UNREACHABLE",
        message: expect.stringContaining("context gone") as string,
      }),
    );
  });
  it.each([null, {}, { currentContext: null }, { currentContext: "" }])(
    "finds no context in a config.json that holds %j",
    async (config) => {
      await write(".docker/config.json", config);
      expect(findEngine({}, { home }).source).toBe("default");
    },
  );
  it("says which file is broken", async () => {
    await write(".docker/config.json", "{");
    expect(() => findEngine({}, { home })).toThrow(/config\.json cannot be understood/);
  });
});
