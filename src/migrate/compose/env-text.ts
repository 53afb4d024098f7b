import { substitute, type Lookup } from "./substitute.js";

// The text of env files by Compose's rules, which are not those of devloop's own .env (lib/dotenv.ts): variables are
// replaced in values, a name alone takes the environment's value, and a line of another form is an error.

export interface EnvText {
  readonly variables: ReadonlyMap<string, EnvValue>;
  readonly problems: readonly { readonly offset: number; readonly message: string }[];
}
export interface EnvValue {
  readonly value: string;
  /** Of the name in the text. */
  readonly offset: number;
}

/** `lookup` knows what wins over what the file itself sets, `before` what files before it set: that comes last. */
export function parseEnvText(
  text: string,
  lookup: Lookup,
  before: (name: string) => string | undefined = () => undefined,
): EnvText {
  const parser = new EnvParser(text, lookup, before);
  parser.parse();
  return parser;
}

/** The format `raw`: `KEY=value` a line, the value as it is. A name alone takes the environment's value. */
export function parseRawEnvText(text: string, lookup: Lookup): EnvText {
  const variables = new Map<string, EnvValue>();
  const problems: { offset: number; message: string }[] = [];
  let offset = 0;
  for (const line of text.split("\n")) {
    const start = offset + line.length - line.trimStart().length;
    offset += line.length + 1;
    const content = line.trimStart().replace(/\r$/, "");
    if (content === "" || content.startsWith("#")) continue;
    const end = content.indexOf("=");
    const name = end === -1 ? content : content.slice(0, end);
    if (name === "" || /\s/.test(name)) {
      problems.push({
        offset: start,
        message: name === "" ? "there is no name before =" : `"${name}" has a space in it`,
      });
      continue;
    }
    const value = end === -1 ? lookup(name)?.value : content.slice(end + 1);
    if (value !== undefined) variables.set(name, { value, offset: start });
  }
  return { variables, problems };
}

const blank = "[\\t\\v\\f\\r \\u0085\\u00A0]";

class EnvParser implements EnvText {
  readonly variables = new Map<string, EnvValue>();
  readonly problems: { offset: number; message: string }[] = [];
  #index = 0;

  constructor(
    private readonly text: string,
    private readonly lookup: Lookup,
    private readonly before: (name: string) => string | undefined,
  ) {}

  parse(): void {
    while (this.#toStatement()) {
      this.#match(/export\s+/y);
      const offset = this.#index;
      const name = this.#readName();
      // What follows something that is no name cannot be told from a value.
      if (name === undefined) return;
      if (name.alone) {
        const value = this.lookup(name.text)?.value ?? this.before(name.text);
        if (value !== undefined) this.variables.set(name.text, { value, offset });
        continue;
      }
      this.#match(new RegExp(`${blank}*`, "y"));
      const value = this.#readValue();
      if (value === undefined) return;
      this.variables.set(name.text, { value, offset });
    }
  }

  /** Skips to the next name; false at the end. */
  #toStatement(): boolean {
    while (this.#match(/\s+/y) !== undefined || this.#match(/#[^\n]*/y) !== undefined);
    return this.#index < this.text.length;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#index;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined || found === "") return undefined;
    this.#index += found.length;
    return found;
  }

  #readName(): { readonly text: string; readonly alone: boolean } | undefined {
    const start = this.#index;
    const found = this.#match(new RegExp(`(?:[\\p{L}\\p{N}_.\\[\\]-]|${blank})*`, "uy")) ?? "";
    const next = this.text.charAt(this.#index);
    if (next !== "" && next !== "=" && next !== ":" && next !== "\n") {
      this.problems.push({
        offset: this.#index,
        message: `"${next}" cannot stand in the name of a variable`,
      });
      return undefined;
    }
    this.#index++;
    const text = found.trimEnd();
    if (/ /.test(text)) {
      this.problems.push({ offset: start, message: `"${text}" has a space in it` });
      return undefined;
    }
    return { text, alone: next === "\n" || next === "" };
  }

  #readValue(): string | undefined {
    const quote = this.text.charAt(this.#index);
    if (quote === '"' || quote === "'") return this.#readQuoted(quote);
    const start = this.#index;
    const line = this.#match(/[^\n]*/y) ?? "";
    return this.#expand((line.split(" #")[0] ?? "").trimEnd(), start);
  }

  #readQuoted(quote: string): string | undefined {
    const start = this.#index;
    const quoted = quote === '"' ? this.#match(/"(?:\\[^]|[^"\\])*"/y) : this.#match(/'(?:\\[^]|[^'\\])*'/y);
    if (quoted === undefined) {
      this.problems.push({ offset: start, message: "a quote is never closed" });
      return undefined;
    }
    const inner = quoted
      .slice(1, -1)
      .replace(/\\([^])/g, (whole, next: string) => (next === quote ? next : whole));
    return quote === '"' ? this.#expand(unescape(inner), start) : inner;
  }

  #expand(value: string, offset: number): string {
    const known: Lookup = (name) => {
      const own = this.variables.get(name)?.value ?? this.before(name);
      return this.lookup(name) ?? (own === undefined ? undefined : { value: own, from: "env-file" });
    };
    const { text, failures } = substitute(value, known);
    for (const { message } of failures) this.problems.push({ offset, message });
    return text;
  }
}

const escapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  c: "\\c",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  '"': '"',
  "\\": "\\",
  // Taken for a $ alone by what replaces variables next.
  $: "$$",
};

function unescape(text: string): string {
  return text.replace(/\\(?:([abcfnrtv$"\\])|0(\d{0,3}))/g, (whole, letter?: string, octal?: string) => {
    if (letter !== undefined) return escapes[letter] ?? whole;
    return octal?.length === 3 && /^[0-3][0-7]{2}$/.test(octal)
      ? String.fromCharCode(parseInt(octal, 8))
      : whole;
  });
}
