/**
 * The arguments of a command line, as Compose splits `command` and `entrypoint` (go-shellwords): quotes and backslashes
 * as in a shell, nothing expanded. It ends at the first `;`, `&`, `|`, `<` or `>` outside quotes: what follows is lost
 * in Compose too. Undefined: quotes or parentheses are not in pairs.
 */
export function splitCommand(line: string): readonly string[] | undefined {
  const splitter = new Splitter();
  for (const character of line) {
    const step = splitter.take(character);
    if (step === "invalid") return undefined;
    if (step === "end") break;
  }
  return splitter.end();
}

/** What the splitter is inside of: a kind of quote, or `$(`. */
type Inside = "'" | '"' | "`" | "$(" | undefined;

type Step = "on" | "end" | "invalid";

class Splitter {
  readonly #words: string[] = [];
  #word = "";
  #begun = false;
  #escaped = false;
  #inside: Inside;

  take(character: string): Step {
    if (this.#escaped) {
      this.#escaped = false;
      return this.#add(character);
    }
    if (character === "\\" && this.#inside !== "'") {
      this.#escaped = true;
      return "on";
    }
    if (/[ \t\r\n]/.test(character)) return this.#takeSpace(character);
    if (character === '"' || character === "'") return this.#takeQuote(character);
    if (character === "`" && this.#inside !== "'" && this.#inside !== '"' && this.#inside !== "$(") {
      this.#inside = this.#inside === "`" ? undefined : "`";
      return this.#add(character);
    }
    if (character === "(" || character === ")") return this.#takeParenthesis(character);
    if (this.#inside === undefined && /[;&|<>]/.test(character)) {
      // The number before a > says what is redirected.
      if (character === ">" && /^\d/.test(this.#word)) this.#begun = false;
      return "end";
    }
    return this.#add(character);
  }

  end(): readonly string[] | undefined {
    if (this.#escaped || this.#inside !== undefined) return undefined;
    return this.#begun ? [...this.#words, this.#word] : this.#words;
  }

  #add(character: string): Step {
    this.#word += character;
    this.#begun = true;
    return "on";
  }

  #takeSpace(character: string): Step {
    if (this.#inside !== undefined) {
      this.#word += character;
    } else if (this.#begun) {
      this.#words.push(this.#word);
      this.#word = "";
      this.#begun = false;
    }
    return "on";
  }

  #takeQuote(quote: '"' | "'"): Step {
    if (this.#inside === undefined) {
      this.#inside = quote;
    } else if (this.#inside === quote) {
      this.#inside = undefined;
      // Quotes around nothing are an argument too.
      this.#begun = true;
    } else {
      this.#add(quote);
    }
    return "on";
  }

  #takeParenthesis(character: string): Step {
    const quoted = this.#inside === "'" || this.#inside === '"' || this.#inside === "`";
    if (quoted) return this.#add(character);
    if (character === ")") {
      if (this.#inside === undefined) return "invalid";
      this.#inside = undefined;
      return this.#add(character);
    }
    if (this.#inside !== undefined || !this.#word.endsWith("$")) return "invalid";
    this.#inside = "$(";
    return this.#add(character);
  }
}
