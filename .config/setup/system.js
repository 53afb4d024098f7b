import { readFile } from "node:fs/promises";

/** Installs without a question. */
export const unattended = { env: { DEBIAN_FRONTEND: "noninteractive" } };

/** Which Linux this is, by os-release(5); empty words elsewhere. */
export async function linux() {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const field = (/** @type {string} */ name) =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1] ?? "";
  const id = field("ID");
  return {
    id,
    codename: field("VERSION_CODENAME"),
    /** Packages come by apt. */
    isDebian: [id, ...field("ID_LIKE").split(/\s+/)].some((word) => ["debian", "ubuntu"].includes(word)),
  };
}

export function isRoot() {
  return process.getuid?.() === 0;
}
