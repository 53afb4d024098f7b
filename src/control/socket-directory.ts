import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { chmod, lstat, mkdir, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DevloopError, errorText } from "../lib/errors.js";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The longest path of a socket in bytes that every system takes: macOS has 104 with the zero at the end, Linux 108.
 * https://man7.org/linux/man-pages/man7/unix.7.html
 */
const longestPath = 103;

/** Whose sockets they are: read once, so that tests can be another user. */
export interface SocketUser {
  readonly uid: number;
}

/**
 * Where sockets of loops may be, the first being where a new one goes: the user's runtime directory, and one of the user's own under
 * the system's temporary directory. A program that an editor starts often lacks XDG_RUNTIME_DIR: systemd's place is looked at without it.
 */
export function directoryCandidates(
  env: Environment,
  { uid }: SocketUser = currentUser(),
): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  const candidates = [
    ...(runtime !== undefined && runtime.startsWith("/") ? [join(runtime, "devloop")] : []),
    ...(process.platform === "linux" ? [`/run/user/${uid}/devloop`] : []),
    join(env["TMPDIR"] ?? tmpdir(), `devloop-${uid}`),
    `/tmp/devloop-${uid}`,
  ];
  // A path that is cut off would be another socket's.
  return [...new Set(candidates)].filter((path) => Buffer.byteLength(join(path, nameLike)) <= longestPath);
}

/** As long as every name that socketName gives. */
const nameLike = "0123456789ab-012345.sock";

/**
 * The name of a loop's socket: of its devloop.yaml, by its real path, and of the project's name in it. The first part alone is enough to
 * find a loop whose file cannot be read any more.
 */
export function socketName(file: string, project: string): string {
  return `${filePart(file)}-${digest(project).slice(0, 6)}.sock`;
}

/** What the name begins with of every loop of that file. */
export function filePart(file: string): string {
  return digest(file).slice(0, 12);
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * Makes the first directory that can be there, for this user alone. Throws SOCKET_REFUSED for one that somebody else has made or
 * can look into, and where none can be made.
 */
export async function makeSocketDirectory(
  env: Environment,
  user: SocketUser = currentUser(),
): Promise<string> {
  const problems: string[] = [];
  for (const path of directoryCandidates(env, user)) {
    try {
      await mkdir(path, { mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") {
        problems.push(errorText(error));
        continue;
      }
    }
    await checkDirectory(path, user);
    return path;
  }
  throw new DevloopError("SOCKET_REFUSED", "there is no directory for the loop's socket", {
    detail: problems.join("\n"),
    hint: "set XDG_RUNTIME_DIR to a directory of yours that can be written to",
  });
}

/** Those of the candidates that are there and that this user alone can enter; others are passed over: nobody is to be asked in them. */
export async function ownDirectories(
  env: Environment,
  user: SocketUser = currentUser(),
): Promise<readonly string[]> {
  const checked = await Promise.all(
    directoryCandidates(env, user).map(async (path) => {
      try {
        await checkDirectory(path, user);
        return [path];
      } catch {
        return [];
      }
    }),
  );
  return checked.flat();
}

/**
 * Who may enter the directory may ask the loop for anything: Node does not tell which user is at the other end of a socket, so the
 * directory decides. It must be a real one, this user's, and closed to all others.
 */
async function checkDirectory(path: string, { uid }: SocketUser): Promise<void> {
  const found = await lstat(path);
  const refuse = (what: string): never => {
    throw new DevloopError("SOCKET_REFUSED", `${path} ${what}: the loop's socket is not put there`, {
      hint: `remove it if it is not yours to share, or set XDG_RUNTIME_DIR to a directory of your own`,
    });
  };
  if (found.isSymbolicLink()) return refuse("is a link");
  if (!found.isDirectory()) return refuse("is no directory");
  if (found.uid !== uid) return refuse(`belongs to another user (uid ${found.uid})`);
  if ((found.mode & 0o077) === 0) return;
  // It is ours: perhaps made under another umask. Through the descriptor, so that nothing else can be put in its place meanwhile.
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(0o700);
  } finally {
    await handle.close();
  }
}

/** Only its owner may connect. */
export async function closeToOthers(socket: string): Promise<void> {
  await chmod(socket, 0o600);
}

function currentUser(): SocketUser {
  return { uid: process.getuid?.() ?? 0 };
}
