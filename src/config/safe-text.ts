import { isScalar, isSeq, parseDocument, visit, type Scalar } from "yaml";
import { hidden, looksSecret } from "./secret.js";

/** devloop.yaml as it may be passed on, and what was taken out of it. */
export interface SafeConfig {
  readonly text: string;
  readonly values: readonly string[];
}

/**
 * A config's text without values that are likely to be secret: those under such a name, defaults of such variables, passwords in
 * addresses, what stands behind such names in comments, and inline Dockerfiles. Undefined for a text that is no YAML: what is what in it
 * cannot be told.
 */
export function safeConfig(text: string): SafeConfig | undefined {
  const document = parseDocument(text);
  if (document.errors.length > 0) return undefined;
  const cuts: { readonly from: number; readonly to: number; readonly put: string }[] = [];
  const values: string[] = [];
  const cut = ({ range, value }: Scalar, put: string, parts: readonly string[]): void => {
    if (!range) return;
    cuts.push({ from: range[0], to: range[1], put });
    values.push(...parts, ...(typeof value === "string" && put === quoted(hidden) ? [value] : []));
  };
  visit(document, {
    Scalar(place, scalar, path) {
      if (place === "key" || scalar.value === null) return;
      const names = path.flatMap((node) =>
        typeof node === "object" && "key" in node && isScalar(node.key) ? [String(node.key.value)] : [],
      );
      const name = names.at(-1) ?? "";
      const isOwn = !isSeq(path.at(-1));
      if (isOwn && looksSecret(name)) {
        cut(scalar, quoted(hidden), []);
        return;
      }
      if (typeof scalar.value !== "string") return;
      if (name === "dockerfileInline") {
        cut(scalar, quoted(`(${scalar.value.length} characters)`), []);
        return;
      }
      const { safe, parts } = safeValue(scalar.value);
      if (parts.length > 0) cut(scalar, quoted(safe), parts);
    },
  });
  let safe = text;
  for (const { from, to, put } of cuts.sort((a, b) => b.from - a.from))
    safe = safe.slice(0, from) + put + safe.slice(to);
  return { text: safe.split("\n").map(safeComment).join("\n"), values };
}

const quoted = (value: string): string => JSON.stringify(value);

/** A value without the secret parts of it. */
function safeValue(value: string): { readonly safe: string; readonly parts: readonly string[] } {
  const parts: string[] = [];
  const hide = (head: string, part: string, tail: string): string => {
    parts.push(part);
    return `${head}${hidden}${tail}`;
  };
  const safe = value
    // ${NPM_TOKEN:-default}
    .replace(/(\$\{(\w+):?-)([^}]+)(\})/g, (all, head: string, name: string, part: string, tail: string) =>
      looksSecret(name) ? hide(head, part, tail) : all,
    )
    // https://user:password@host
    .replace(/(:\/\/)([^/@\s]+)(@)/g, (_, head: string, part: string, tail: string) => hide(head, part, tail))
    // NAME=value
    .replace(/^(\w+)=(.+)$/s, (all, name: string, part: string) =>
      looksSecret(name) ? hide(`${name}=`, part, "") : all,
    );
  return { safe, parts };
}

/** What is commented out may be secret too. */
function safeComment(line: string): string {
  const at = line.search(/(^|\s)#/);
  if (at === -1) return line;
  return (
    line.slice(0, at) +
    line
      .slice(at)
      .replace(/([\w.-]+)(\s*[:=]\s*)(\S.*)/, (all, name: string, sign: string) =>
        looksSecret(name) ? `${name}${sign}${hidden}` : all,
      )
  );
}
