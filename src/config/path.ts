/** A place in the configuration, as zod gives it. */
export type Path = readonly PropertyKey[];

/** The place as messages and `origins` write it: `images.web.args.PORT`, `forwards[0].local`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += `${text === "" ? "" : "."}${String(key)}`;
  }
  return text;
}
