import type { ComposeVariable } from "./model.js";

/** Where a variable's value comes from; undefined when it is not set. */
export type Lookup = (
  name: string,
) => { readonly value: string; readonly from: "environment" | "env-file" } | undefined;

export interface Substituted {
  readonly text: string;
  readonly variables: readonly ComposeVariable[];
  readonly failures: readonly SubstitutionFailure[];
}
export interface SubstitutionFailure {
  /** The reference as it is written: `${PORT:?}`. */
  readonly reference: string;
  readonly message: string;
  readonly hint?: string;
}

/**
 * Replaces variables by Compose's rules (12-interpolation.md of the specification): `$VAR`, `${VAR}`, with `:-` and
 * `-` a default, with `:+` and `+` an alternative, with `:?` and `?` a message for when it is missing; the colon counts
 * empty as not set. What follows the operator may hold references of its own. `$$` is a `$`; a `$` before anything
 * else stays. These are not the rules of devloop.yaml, where an unset variable is an error and `$VAR` is plain text.
 */
export function substitute(text: string, lookup: Lookup): Substituted {
  const reader = new TemplateReader(text, lookup);
  return { text: reader.read(true), variables: reader.variables, failures: reader.failures };
}

type Operator = ":-" | "-" | ":+" | "+" | ":?" | "?" | "";

class TemplateReader {
  readonly variables: ComposeVariable[] = [];
  readonly failures: SubstitutionFailure[] = [];
  #index = 0;

  constructor(
    private readonly text: string,
    private readonly lookup: Lookup,
  ) {}

  /** Reads to the end. `used` is false where the result is dropped: its variables do not count, its failures do. */
  read(used: boolean): string {
    let result = "";
    while (this.#index < this.text.length) {
      const dollar = this.text.indexOf("$", this.#index);
      if (dollar === -1) return result + this.#take(this.text.length);
      result += this.#take(dollar);
      result += this.#readDollar(used);
    }
    return result;
  }

  #take(end: number): string {
    const taken = this.text.slice(this.#index, end);
    this.#index = end;
    return taken;
  }

  #readDollar(used: boolean): string {
    const start = this.#index;
    if (this.text.startsWith("$$", start)) {
      this.#index += 2;
      return "$";
    }
    const named = /\$([A-Za-z_][A-Za-z0-9_]*)/y;
    named.lastIndex = start;
    const name = named.exec(this.text)?.[1];
    if (name !== undefined) {
      this.#index += name.length + 1;
      return this.#value(name, "", "", used);
    }
    if (!this.text.startsWith("${", start)) return this.#take(start + 1);
    const end = closingBrace(this.text, start);
    const reference = this.#take(end === -1 ? this.text.length : end + 1);
    // No line break can stand in what follows an operator: Compose reads references within a line.
    const parts = end === -1 ? null : /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?\}$/.exec(reference);
    if (parts?.[1] === undefined) return this.#refuse(reference, end !== -1);
    return this.#readBraced(reference, parts[1], (parts[2] ?? "") as Operator, parts[3] ?? "", used);
  }

  #readBraced(reference: string, name: string, operator: Operator, word: string, used: boolean): string {
    const found = this.lookup(name);
    const set = found !== undefined && !(operator.startsWith(":") && found.value === "");
    const wants = operator.endsWith("+") ? set : !set;
    // Read in any case: Compose fails on a required variable in a default that it does not need.
    const inner = new TemplateReader(word, this.lookup);
    const text = inner.read(used && wants);
    this.failures.push(...inner.failures);
    if (used && wants) this.variables.push(...inner.variables);
    if (operator.endsWith("?") && !set) {
      const why = text === "" ? "" : `: ${text}`;
      this.failures.push({
        reference,
        message: `required variable ${name} is not set${why}`,
        hint: `set ${name} in the environment or in .env`,
      });
      return "";
    }
    return this.#value(name, operator, text, used);
  }

  #value(name: string, operator: Operator, word: string, used: boolean): string {
    const found = this.lookup(name);
    const set = found !== undefined && !(operator.startsWith(":") && found.value === "");
    const note = (from: ComposeVariable["from"]): void => {
      if (used) this.variables.push({ name, from });
    };
    if (operator.endsWith("+") ? set : operator.endsWith("-") && !set) {
      note(operator.endsWith("+") ? (found?.from ?? "unset") : "default");
      return word;
    }
    // An alternative for a variable that is not set is nothing on purpose.
    note(found?.from ?? (operator.endsWith("+") ? "default" : "unset"));
    return found?.value ?? "";
  }

  #refuse(reference: string, closed: boolean): string {
    const shown = (reference.split("\n")[0] ?? "").slice(0, 40);
    this.failures.push({
      reference,
      message: closed ? `${shown} is not a reference to a variable` : `${shown} has no closing }`,
      hint: "write ${NAME} or ${NAME:-default}, and $$ for the character itself",
    });
    return "";
  }
}

/** The brace that ends the reference at `start`; braces within it, of any kind, come in pairs. */
function closingBrace(text: string, start: number): number {
  let open = 0;
  for (let index = start; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === "{") open++;
    if (character === "}" && --open === 0) return index;
  }
  return -1;
}
