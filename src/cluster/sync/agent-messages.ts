import { unreachable } from "../../lib/unreachable.js";
import { errorName } from "./agent-errno.js";
import type { AgentHello, ChangeResult, Found, ProcessState, TreeChange, WalkEntry } from "./agent-types.js";
import { type Fields, frame, u16, u64 } from "./agent-wire.js";

/** What the agent's frames mean (agent/serve.c lists them). All throw RangeError for what no agent of this version sends. */

export const protocolVersion = 1;
const digestBytes = 32;

export function readHello(fields: Fields): AgentHello {
  const version = fields.u8();
  if (version !== protocolVersion)
    throw new RangeError(`the agent speaks version ${version} of the protocol`);
  const hello = { uid: fields.u32(), gid: fields.u32(), supervised: fields.u8() === 1 };
  fields.end();
  return hello;
}

const states = ["held", "running", "waiting", "stopping"] as const;

export function readProcess(fields: Fields): ProcessState {
  const state = named(states, fields.u8());
  const pid = fields.u32();
  const exitCode = fields.i32();
  const process = { state, pid, startedAt: fields.u64(), runs: fields.u32() };
  fields.end();
  return exitCode < 0 ? process : { ...process, exitCode };
}

const kinds = ["missing", "file", "directory", "link", "other", "unreadable"] as const;

export function readFound(fields: Fields): Found {
  const kind = named(kinds, fields.u8());
  const mode = fields.u16();
  switch (kind) {
    case "missing":
    case "other":
      return { kind };
    case "file":
      return { kind, mode, size: fields.u64(), sha256: readDigest(fields) };
    case "directory":
      return { kind, mode };
    case "link":
      return { kind, target: fields.text() };
    case "unreadable":
      return { kind, errno: fields.u32() };
    default:
      return unreachable(kind);
  }
}

export function readWalkEntry(fields: Fields): WalkEntry {
  const path = fields.text();
  const kind = named(kinds, fields.u8());
  const mode = fields.u16();
  const size = fields.u64();
  const modifiedAt = fields.big();
  if (kind === "missing") throw new RangeError("the agent lists what is missing");
  // Where a size would stand.
  if (kind === "unreadable") return { kind, path, errno: size };
  return { kind, path, mode, size, modifiedAt };
}

const outcomes = ["done", "failed", "kept"] as const;

/** Only what a file was written with is told as a digest. */
export function readResult(fields: Fields, change: TreeChange["kind"]): ChangeResult {
  const kind = named(outcomes, fields.u8());
  switch (kind) {
    case "done":
      return change === "file" ? { kind, sha256: readDigest(fields) } : { kind };
    case "failed":
      return { kind, code: errorName(fields.u32()), call: fields.text() };
    case "kept":
      return { kind };
    default:
      return unreachable(kind);
  }
}

/** In base64, as the agent's digests are told. */
export function readDigest(fields: Fields): string {
  return fields.bytes(digestBytes).toString("base64");
}

/** The frame that begins a change; the bytes of a file follow it. */
export function changeFrame(id: number, change: Exclude<TreeChange, { kind: "file" }> | FileStart): Buffer {
  const { root, path } = change;
  switch (change.kind) {
    case "file": {
      const digest = Buffer.from(change.sha256, "base64");
      if (digest.length !== digestBytes) throw new RangeError(`not a SHA-256 in base64: ${change.sha256}`);
      return frame("P", id, root, path, u16(change.mode), u64(change.size), digest);
    }
    case "link":
      return frame("L", id, root, path, change.target);
    case "directory":
      return frame("M", id, root, path, u16(change.mode));
    case "remove":
      return frame("R", id, root, path);
    default:
      return unreachable(change);
  }
}
interface FileStart {
  readonly kind: "file";
  readonly root: string;
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
}

function named<T>(names: readonly T[], value: number): T {
  const name = names[value];
  if (name === undefined) throw new RangeError(`${value} from the agent stands for nothing`);
  return name;
}
