import type { Variable } from "./tree.js";

/** Where a variable's value comes from; undefined when it is not set. */
export type Lookup = (
  name: string,
) => { readonly value: string; readonly from: "environment" | ".env" } | undefined;

export interface Interpolated {
  readonly text: string;
  readonly variables: readonly Variable[];
  readonly failures: readonly InterpolationFailure[];
}
export interface InterpolationFailure {
  /** The reference as it is written: `${PORT}`. */
  readonly reference: string;
  readonly message: string;
  readonly hint?: string;
}

/**
 * Replaces `${VAR}`, `${VAR:-default}`, `${VAR-default}`, `${VAR:?message}` and `${VAR?message}`; `$$` becomes `$`.
 * With the colon, an empty variable counts as not set. Defaults and messages may hold references of their own and
 * braces in pairs; they are looked at only when they are used. Any other `$` stays as it is.
 */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  const variables: Variable[] = [];
  const failures: InterpolationFailure[] = [];
  let index = 0;

  /** Reads up to the end or, inside a reference, to its closing brace. `used` is false where the result is dropped. */
  function read(inside: boolean, used: boolean): string {
    let result = "";
    let braces = 0;
    while (index < text.length) {
      const next = text.charAt(index);
      if (text.startsWith("$$", index)) {
        result += "$";
        index += 2;
      } else if (text.startsWith("${", index)) {
        result += readReference(used);
      } else if (inside && next === "}" && braces === 0) {
        return result;
      } else {
        if (inside && next === "{") braces++;
        if (inside && next === "}") braces--;
        result += next;
        index++;
      }
    }
    return result;
  }

  function readReference(used: boolean): string {
    const start = index;
    const head = /\$\{([A-Za-z_][A-Za-z0-9_]*)(:-|-|:\?|\?|(?=\}))/y;
    head.lastIndex = start;
    const match = head.exec(text);
    const [whole, name, operator] = match ?? [];
    if (whole === undefined || name === undefined || operator === undefined) {
      const end = text.indexOf("}", start);
      index = end === -1 ? text.length : end + 1;
      return fail(used, notAReference(text.slice(start, index), end !== -1));
    }
    index += whole.length;
    const found = lookup(name);
    const set = found !== undefined && (found.value !== "" || !operator.startsWith(":"));
    const failed = failures.length;
    const word = read(true, used && !set);
    if (text.charAt(index) !== "}") {
      failures.length = failed;
      return fail(used, notAReference(text.slice(start), false));
    }
    index++;
    if (set) {
      if (used) variables.push({ name, from: found.from });
      return found.value;
    }
    if (operator.endsWith("-")) {
      if (used) variables.push({ name, from: "default" });
      return word;
    }
    return fail(used, notSet(text.slice(start, index), name, operator, word));
  }

  function fail(used: boolean, failure: InterpolationFailure): string {
    if (used) failures.push(failure);
    return "";
  }

  return { text: read(false, true), variables, failures };
}

function notAReference(reference: string, closed: boolean): InterpolationFailure {
  const shown = (reference.split("\n")[0] ?? "").slice(0, 40);
  return {
    reference,
    message: closed ? `${shown} is not a reference to a variable` : `${shown} has no closing }`,
    hint: "write ${NAME} or ${NAME:-default}, and $${ for the characters themselves",
  };
}

function notSet(reference: string, name: string, operator: string, word: string): InterpolationFailure {
  if (operator !== "") {
    const why = word.trim();
    return { reference, message: `${name} is not set${why === "" ? "" : `: ${why}`}` };
  }
  return {
    reference,
    message: `${name} is not set`,
    hint: `set it in the environment or in .env, or give a default: \${${name}:-value}`,
  };
}
