/** The last part of a name with slashes (`ghcr.io/acme/web` is "web"), or all of it where another name ends alike. */
export function shortName(name: string, among: readonly string[]): string {
  const short = lastPart(name);
  return among.some((other) => other !== name && lastPart(other) === short) ? name : short;
}

/** What stands after the last slash. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
