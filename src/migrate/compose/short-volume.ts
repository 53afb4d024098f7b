/** What the short form of a mount says: `source:target:options`. */
export interface ShortVolume {
  readonly type: "bind" | "volume";
  readonly source?: string;
  readonly target?: string;
  readonly readOnly?: boolean;
  readonly nocopy?: boolean;
  readonly propagation?: string;
  readonly selinux?: string;
  /** A mount of one or two letters is a target and nothing else. */
  readonly bare?: true;
}

const propagations = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/** Reads a mount's short form as Compose does: `C:\\data` is one part, options that it does not know are left out. */
export function parseVolume(spec: string): ShortVolume | { readonly problem: string } {
  if (spec === "") return { problem: "is empty" };
  if (spec.length <= 2) return { type: "volume", target: spec, bare: true };
  const parts = splitParts(spec);
  if (parts.includes("")) return { problem: `"${spec}" has nothing between its colons` };
  if (parts.length > 3) return { problem: `"${spec}" has too many colons` };
  const [first = "", target, optionText] = parts;
  if (target === undefined) return { type: "volume", target: first };
  return {
    type: isFilePath(first) ? "bind" : "volume",
    source: first,
    target,
    ...readOptions(optionText?.split(",") ?? []),
  };
}

function splitParts(spec: string): readonly string[] {
  const parts: string[] = [];
  let part = "";
  for (const character of spec) {
    // A drive's colon ends nothing.
    if (character === ":" && !/^[A-Za-z]$/.test(part)) {
      parts.push(part);
      part = "";
    } else {
      part += character;
    }
  }
  return [...parts, part];
}

function readOptions(options: readonly string[]): Partial<ShortVolume> {
  const readOnly = options.findLast((option) => option === "ro" || option === "rw");
  const propagation = options.findLast((option) => propagations.includes(option));
  const selinux = options.findLast((option) => option === "z" || option === "Z");
  return {
    ...(readOnly === "ro" ? { readOnly: true } : {}),
    ...(options.includes("nocopy") ? { nocopy: true } : {}),
    ...(propagation === undefined ? {} : { propagation }),
    ...(selinux === undefined ? {} : { selinux }),
  };
}

function isFilePath(source: string): boolean {
  return /^(?:[./~]|\\\\|[A-Za-z]:)/.test(source);
}
