import { createHash } from "node:crypto";

/** The digest of some bytes as registries write it: `sha256:…`. */
export function sha256(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
