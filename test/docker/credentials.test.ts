import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dockerCredentials } from "../../src/docker/credentials.js";

// Ends what would wait for ever; the whole file runs by it.
const signal = AbortSignal.timeout(600_000);
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "devloop-home-"));
  await mkdir(join(home, ".docker"));
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

const configure = async (config: unknown): Promise<void> => {
  await writeFile(
    join(home, ".docker/config.json"),
    typeof config === "string" ? config : JSON.stringify(config),
  );
};
const find = async (host: string): Promise<unknown> => {
  const env = { PATH: `${home}${delimiter}${process.env["PATH"] ?? ""}` };
  return await dockerCredentials(env, { home })(host, { signal });
};
const auth = (text: string): string => Buffer.from(text).toString("base64");

/** A helper that knows one registry, and writes down what it was asked. */
async function helper(name: string, registry: string, answer: object): Promise<void> {
  await writeFile(
    join(home, `docker-credential-${name}`),
    `#!/bin/sh
read -r asked
if [ "$1 $asked" = "get ${registry}" ]; then echo '${JSON.stringify(answer)}'; exit 0; fi
echo "credentials not found in native keychain"; exit 1
`,
    { mode: 0o755 },
  );
}

describe("dockerCredentials", () => {
  it("has none without a file or an entry", async () => {
    expect(await find("ghcr.io")).toBeUndefined();
    for (const empty of [{}, null, { auths: null, credHelpers: null, credsStore: null }]) {
      await configure(empty);
      expect(await find("ghcr.io")).toBeUndefined();
    }
  });
  it("reads the file, whatever the key's form; a colon belongs to the password", async () => {
    await configure({
      auths: {
        "https://index.docker.io/v1/": { auth: auth("me:pa:ss") },
        "https://reg.example/v2/": { username: "u", password: "p" },
        "localhost:5000": { identitytoken: "t" },
        "empty.example": {},
      },
    });
    const hub = { kind: "password", username: "me", password: "pa:ss" };
    expect(await find("docker.io")).toEqual(hub);
    expect(await find("registry-1.docker.io")).toEqual(hub);
    expect(await find("reg.example")).toEqual({ kind: "password", username: "u", password: "p" });
    expect(await find("localhost:5000")).toEqual({ kind: "token", identityToken: "t" });
    expect(await find("empty.example")).toBeUndefined();
    expect(await find("other.example")).toBeUndefined();
  });
  it("asks the registry's own helper before the store, and the file when the store has nothing", async () => {
    await helper("own", "ghcr.io", { Username: "<token>", Secret: "s" });
    await helper("all", "https://index.docker.io/v1/", { Username: "u", Secret: "p" });
    await configure({
      credsStore: "all",
      credHelpers: { "ghcr.io": "own" },
      auths: { "kept.example": { auth: auth("a:b") } },
    });
    expect(await find("ghcr.io")).toEqual({ kind: "token", identityToken: "s" });
    expect(await find("registry-1.docker.io")).toEqual({ kind: "password", username: "u", password: "p" });
    expect(await find("kept.example")).toEqual({ kind: "password", username: "a", password: "b" });
  });
  it("names a helper that is not there or a file that is broken", async () => {
    await configure({ credsStore: "gone" });
    await expect(find("x.example")).rejects.toMatchObject({
      code: "TOOL_MISSING",
      message: "docker-credential-gone is not installed or not on PATH",
    });
    await configure("{");
    await expect(find("x.example")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
