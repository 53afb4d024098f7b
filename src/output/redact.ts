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
  const forms = new FormIndex();
  return {
    add(added) {
      for (const value of added) {
        for (const part of [value, ...value.split(/\r?\n/)]) {
          const trimmed = part.trim();
          if (trimmed.length < shortest || values.has(trimmed)) continue;
          values.add(trimmed);
          for (const form of plainForms(trimmed)) forms.add({ text: form });
          for (const form of base64Forms(trimmed)) forms.add(form);
        }
      }
    },
    redact(text) {
      if (values.size === 0 || text.length < shortest) return text;
      let shown = "";
      let from = 0;
      for (let at = 0; at <= text.length - shortest; at += 1) {
        const end = forms.match(text, at);
        if (end === undefined) continue;
        shown += text.slice(from, at) + replacement;
        from = end;
        at = end - 1;
      }
      return from === 0 ? text : shown + text.slice(from);
    },
  };
}

/** A text to hide, and what more goes with it when it follows. */
interface Form {
  readonly text: string;
  /** A sticky pattern. */
  readonly tail?: RegExp;
}

/**
 * Finds forms by their first characters, so that a text costs the same however many values there are. One pattern of all
 * forms would be shorter, but a few hundred values make one that V8 no longer compiles: a line then takes milliseconds.
 */
class FormIndex {
  readonly #byStart = new Map<string, Form[]>();
  #inOrder = true;
  /** For each hash of two characters, whether any form begins with such: most places of a text end here. */
  readonly #begins = new Uint8Array(65_536);

  add(form: Form): void {
    const start = form.text.slice(0, shortest);
    const same = this.#byStart.get(start);
    if (same) same.push(form);
    else this.#byStart.set(start, [form]);
    this.#inOrder = false;
    this.#begins[hashAt(start, 0)] = 1;
  }

  /** Where the form that stands at `at` ends; undefined when none does. */
  match(text: string, at: number): number | undefined {
    if (this.#begins[hashAt(text, at)] === 0) return undefined;
    if (!this.#inOrder) this.#sort();
    const form = this.#byStart
      .get(text.slice(at, at + shortest))
      ?.find((each) => text.startsWith(each.text, at));
    if (!form) return undefined;
    const end = at + form.text.length;
    if (!form.tail) return end;
    form.tail.lastIndex = end;
    return form.tail.test(text) ? form.tail.lastIndex : end;
  }

  /** Longer ones first: of two that begin alike, the whole one is hidden. */
  #sort(): void {
    for (const same of this.#byStart.values()) same.sort((a, b) => b.text.length - a.text.length);
    this.#inOrder = true;
  }
}

function hashAt(text: string, at: number): number {
  return (text.charCodeAt(at) * 257 + text.charCodeAt(at + 1)) & 0xffff;
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

/** Enough of a long value's base64 to know it by; the rest of the run goes with it. */
const base64Enough = 60;

/**
 * Base64 of a value as it stands alone and within a longer text, such as `user:password`: three bytes make four digits,
 * so it looks different at each of three offsets. Digits that mix with a neighbour's bits are left out of what is looked
 * for, and hidden with it where the text ends there.
 */
function base64Forms(value: string): readonly Form[] {
  const forms: Form[] = [];
  for (const encoding of ["base64", "base64url"] as const) {
    for (const offset of [0, 1, 2]) {
      const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]);
      const own = bytes.toString(encoding).slice(offset === 0 ? 0 : offset + 1);
      const sure = own.replace(/=+$/, "").slice(0, bytes.length % 3 === 0 ? undefined : -1);
      if (sure.length < shortest) continue;
      forms.push(
        sure.length > base64Enough
          ? { text: sure.slice(0, base64Enough), tail: /[A-Za-z0-9+/_-]*={0,2}/y }
          : { text: sure, tail: /[A-Za-z0-9+/_-]?(?![A-Za-z0-9+/_-])={0,2}/y },
      );
    }
  }
  return forms;
}
