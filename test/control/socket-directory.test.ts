import { chmod, mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  directoryCandidates,
  filePart,
  makeSocketDirectory,
  ownDirectories,
  socketName,
} from "../../src/control/socket-directory.js";

let root: string;
const user = { uid: process.getuid!() };
const env = () => ({ XDG_RUNTIME_DIR: root });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "dl-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("the directory of the sockets", () => {
  it("is made for its user alone, in the runtime directory, and is the same next time", async () => {
    const path = await makeSocketDirectory(env());
    expect(path).toBe(join(root, "devloop"));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect(await makeSocketDirectory(env())).toBe(path);
  });

  it("is closed to others when it is ours and stands open", async () => {
    await mkdir(join(root, "devloop"));
    await chmod(join(root, "devloop"), 0o777);
    const path = await makeSocketDirectory(env());
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it("is refused when it is a link, and nobody is asked in it", async () => {
    await mkdir(join(root, "elsewhere"));
    await symlink(join(root, "elsewhere"), join(root, "devloop"));
    await expect(makeSocketDirectory(env())).rejects.toMatchObject({
      code: "SOCKET_REFUSED",
      message: expect.stringContaining("is a link"),
    });
    expect(await ownDirectories(env())).not.toContain(join(root, "devloop"));
  });

  it("is refused when it belongs to somebody else, and nobody is asked in it", async () => {
    const other = { uid: user.uid + 1 };
    await mkdir(join(root, "devloop"), { mode: 0o700 });
    await expect(makeSocketDirectory(env(), other)).rejects.toMatchObject({
      code: "SOCKET_REFUSED",
      message: expect.stringContaining(`another user (uid ${user.uid})`),
    });
    expect(await ownDirectories(env(), other)).not.toContain(join(root, "devloop"));
  });

  it("lies under the temporary directory where there is no runtime directory", async () => {
    const path = await makeSocketDirectory({ XDG_RUNTIME_DIR: join(root, "none"), TMPDIR: root });
    // A machine with a login session has /run/user too.
    expect([join(root, `devloop-${user.uid}`), `/run/user/${user.uid}/devloop`]).toContain(path);
  });

  it("is never one whose sockets would have a path that is too long", () => {
    const long = `/${"x".repeat(90)}`;
    for (const path of directoryCandidates({ XDG_RUNTIME_DIR: long, TMPDIR: long }, user))
      expect(Buffer.byteLength(join(path, socketName("/a/devloop.yaml", "a")))).toBeLessThanOrEqual(103);
  });
});

describe("a socket's name", () => {
  it("differs by file and by project, and begins with the file's part", () => {
    const name = socketName("/a/devloop.yaml", "web");
    expect(socketName("/a/devloop.yaml", "web")).toBe(name);
    expect(socketName("/b/devloop.yaml", "web")).not.toBe(name);
    expect(socketName("/a/devloop.yaml", "api")).not.toBe(name);
    expect(socketName("/a/devloop.yaml", "api").startsWith(filePart("/a/devloop.yaml"))).toBe(true);
  });
});
