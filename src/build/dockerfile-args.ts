/**
 * Fills arguments into a word of a Dockerfile: `$NAME`, `${NAME}`, and `${NAME:-other}`, `${NAME-other}`,
 * `${NAME:+other}`, `${NAME+other}`, also one within the other. An argument without a value is empty. Quotes go.
 * `onUnknown` hears of each name that has no value, and of each whose form is another (`${NAME#prefix}`), so that the result is a guess.
 */
export function expandArgs(
  word: string,
  values: Readonly<Record<string, string>>,
  escape = "\\",
  onUnknown: (name: string) => void = () => undefined,
): string {
  let at = 0;
  const expand = (end: string): string => {
    let result = "";
    let single = false;
    while (at < word.length && !(word[at] === end && !single)) {
      const character = word[at] ?? "";
      if (character === "$" && !single) {
        result += variable();
        continue;
      }
      at += 1;
      if (character === "'") single = !single;
      else if (character === escape && !single) result += word[at++] ?? "";
      else if (character !== '"') result += character;
    }
    return result;
  };
  const variable = (): string => {
    at += 1;
    const braced = word[at] === "{";
    if (braced) at += 1;
    const name = /^\w+/.exec(word.slice(at))?.[0] ?? "";
    at += name.length;
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (name !== "" && value === undefined) onUnknown(name);
    if (!braced) return name === "" ? "$" : (value ?? "");
    const operator = /^:?[-+?]/.exec(word.slice(at))?.[0] ?? "";
    if (operator === "" && word[at] !== "}") onUnknown(name);
    at += operator.length;
    const other = expand("}");
    at += 1;
    const given = value !== undefined && !(operator.startsWith(":") && value === "");
    if (operator.endsWith("-")) return given ? value : other;
    if (operator.endsWith("+")) return given ? other : "";
    return value ?? "";
  };
  return expand("");
}

/** A word without the pair of quotes round it. */
export function unquote(word: string): string {
  return /^(["']).*\1$/s.test(word) && word.length > 1 ? word.slice(1, -1) : word;
}
