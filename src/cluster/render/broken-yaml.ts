import { readFile } from "node:fs/promises";
import { basename, relative } from "node:path";
import { LineCounter, parseAllDocuments } from "yaml";

/**
 * The first of `files` that a tool's output names and that is not YAML: "k8s/dev/patch.yaml:5:7: why". Tools often name
 * the file without the place. Undefined when the reason is another one.
 */
export async function findBrokenYaml(files: readonly string[], output: string): Promise<string | undefined> {
  const named = files.filter((file) => isKustomization(file) || output.includes(basename(file)));
  for (const file of named.filter((path) => /\.ya?ml$/.test(path))) {
    const problem = firstProblem(await readFile(file, "utf8").catch(() => ""));
    const shown = relative(process.cwd(), file);
    if (problem !== undefined) return `${shown.startsWith("..") ? file : shown}:${problem}`;
  }
  return undefined;
}

/** Of its own file the tool says only that it is invalid. */
function isKustomization(file: string): boolean {
  return /^kustomization\.ya?ml$/.test(basename(file));
}

function firstProblem(text: string): string | undefined {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const error = [...documents].flatMap((document) => document.errors)[0];
  if (!error) return undefined;
  const { line, col } = lines.linePos(error.pos[0]);
  return `${line}:${col}: ${error.message}`;
}
