import { posix } from "node:path";

/** A guess from a path's text: it has an extension, and none that directories have (`conf.d`, `v1.2`) nor a slash at its end. */
export function looksLikeFile(path: string): boolean {
  return !path.endsWith("/") && /^\.(?!d$)(?=.*[A-Za-z])/.test(posix.extname(path));
}
