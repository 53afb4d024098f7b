/** Hides secret values in text that is about to be shown. */
export interface Redactor {
  /** Values to hide from now on. Those shorter than 5 characters are left out: they would hide half of every text. */
  readonly add: (values: Iterable<string>) => void;
  /** The text with each value replaced by `(hidden)`, in plain, JSON-escaped, base64 and URL-encoded form. */
  readonly redact: (text: string) => string;
}

const shortest = 5;
const replacement = "(hidden)";

/** Makes a redactor. A value of several lines is hidden line by line, since that is how it is printed. */
export function createRedactor(): Redactor {
  const values = new Set<string>();
  let pattern: RegExp | undefined;
  return {
    add(added) {
      const before = values.size;
      for (const value of added) {
        for (const part of [value, ...value.split(/\r?\n/)]) {
          const trimmed = part.trim();
          if (trimmed.length >= shortest) values.add(trimmed);
        }
      }
      if (values.size > before) pattern = undefined;
    },
    redact(text) {
      if (values.size === 0 || text.length < shortest) return text;
      pattern ??= patternOf(values);
      return text.replace(pattern, replacement);
    },
  };
}

/** One pattern for all forms of all values. Longer ones first: of two that begin alike, the whole one is hidden. */
function patternOf(values: ReadonlySet<string>): RegExp {
  const forms = new Set<string>();
  for (const value of values) {
    for (const form of plainForms(value)) forms.add(escape(form));
    for (const form of base64Forms(value)) forms.add(form);
  }
  return new RegExp([...forms].sort((a, b) => b.length - a.length).join("|"), "g");
}

function plainForms(value: string): readonly string[] {
  // Half a surrogate pair cannot be URL-encoded; it is replaced as any encoder would.
  const url = encodeURIComponent(Buffer.from(value).toString());
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    url.replaceAll("%20", "+"),
    new URLSearchParams([["", value]]).toString().slice(1),
  ];
}

/** Enough of a long value's base64 to know it by; the pattern takes the rest of the run with it. */
const base64Enough = 60;

/**
 * Base64 of a value as it stands alone and within a longer text, such as `user:password`: three bytes make four digits,
 * so it looks different at each of three offsets. Digits that mix with a neighbour's bits are left out of what is looked
 * for, and hidden with it.
 */
function base64Forms(value: string): readonly string[] {
  const forms: string[] = [];
  for (const encoding of ["base64", "base64url"] as const) {
    for (const offset of [0, 1, 2]) {
      const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]);
      const own = Buffer.from(bytes)
        .toString(encoding)
        .slice(offset === 0 ? 0 : offset + 1);
      const sure = own.replace(/=+$/, "").slice(0, bytes.length % 3 === 0 ? undefined : -1);
      if (sure.length < shortest) continue;
      forms.push(
        sure.length > base64Enough
          ? `${escape(sure.slice(0, base64Enough))}[A-Za-z0-9+/_-]*={0,2}`
          : `${escape(sure)}(?:[A-Za-z0-9+/_-](?![A-Za-z0-9+/_-])={0,2})?`,
      );
    }
  }
  return forms;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
