import { DevloopError } from "./errors.js";

/** Whether `20.19.2` or `1.45` is not older than the given parts. */
export function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [first = 0, second = 0] = version.split(".").map(Number);
  return first > major || (first === major && second >= minor);
}

/** Throws TOOL_MISSING where this version of Node.js is older than what package.json asks for. */
export function checkNodeVersion(version: string): void {
  if (atLeast(version, [20, 19])) return;
  throw new DevloopError("TOOL_MISSING", `Node.js ${version} is too old: 20.19 or later is needed`, {
    hint: "nvm install 22   (or https://nodejs.org)",
  });
}
