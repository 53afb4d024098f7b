/**
 * The variables of a `.env` file. One `NAME=value` a line, `export ` before it allowed. Quotes may span lines: single
 * quotes and backticks keep their text as it is, double quotes know \n \r \t \" \$ and \\. Without quotes the value is
 * trimmed and ends at a ` #`. Nothing is ever substituted into a value. Lines of any other form are left out, as every
 * reader of such files does; the last of two equal names counts.
 */
export function parseDotenv(text: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*/;
  let rest = text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  while (rest !== "") {
    const match = assignment.exec(rest);
    if (match?.[1] === undefined) {
      rest = afterLine(rest);
      continue;
    }
    rest = rest.slice(match[0].length);
    const quoted = readQuoted(rest);
    variables.set(match[1], quoted?.value ?? readBare(rest));
    rest = afterLine(quoted === undefined ? rest : rest.slice(quoted.length));
  }
  return variables;
}

/** A quoted value with nothing but a comment after it; an opening quote that is never closed is an ordinary character. */
function readQuoted(text: string): { readonly value: string; readonly length: number } | undefined {
  const match = /^(?:'([^']*)'|`([^`]*)`|"((?:\\[^]|[^"\\])*)")(?=[ \t]*(?:#|\n|$))/.exec(text);
  if (match === null) return undefined;
  const [whole, single, backtick, double] = match;
  return { value: single ?? backtick ?? unescape(double ?? ""), length: whole.length };
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  $: "$",
  "\\": "\\",
};

function unescape(text: string): string {
  return text.replace(/\\([^])/g, (whole, letter: string) => escapes[letter] ?? whole);
}

function readBare(text: string): string {
  const line = text.split("\n", 1)[0] ?? "";
  return line.replace(/(^|[ \t])#.*$/, "").trim();
}

function afterLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? "" : text.slice(end + 1);
}
