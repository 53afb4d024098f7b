import { readFile } from "node:fs/promises";

const file = new URL("../../README.md", import.meta.url);

/**
 * What becomes of each command of README's blocks: run by first-contact.integration.test.ts, in a clone or in a project of one's
 * own, or not run, and why.
 */
export const readmeCommands: Readonly<Record<string, "clone" | "project" | { readonly notRun: string }>> = {
  "npm start": { notRun: "it ends when somebody quits: --once is run, which is the same with an end" },
  "npm start -- --once": "clone",
  "npm start -- --dry-run": "clone",
  "npm test": { notRun: "it would run itself" },
  "npm install -g .": "clone",
  "devloop init --dry-run": "project",
  "devloop init": "project",
  "devloop doctor": "project",
  "devloop up": "project",
  "devloop config": "project",
  "devloop explain web/src/main.js": "project",
  "devloop schema": "project",
  "node .config/test.js unit test/config": { notRun: "the gate runs it, with all folders" },
  "DEVLOOP_TEST_TARGETS=all npm test": {
    notRun: "it would run itself, and the gate's end-to-end tests twice",
  },
  "npm run bench": { notRun: "it takes half an hour, and has a stage of its own" },
  ".ci/run": { notRun: "it runs all of this" },
};

/** The fenced blocks of one language, without their fences. */
export async function readmeBlocks(language: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8");
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , block = ""]) => block);
}

/** Each line of its shell blocks, without its comment. */
export async function commandsOfReadme(): Promise<readonly string[]> {
  return (await readmeBlocks("sh")).flatMap((block) =>
    block
      .split("\n")
      .map((line) => line.replace(/\s+#.*$/, "").trim())
      .filter((line) => line !== ""),
  );
}

/** What is set as code within its sentences. */
export async function inlineCode(): Promise<readonly string[]> {
  const text = (await readFile(file, "utf8")).replace(/^```[^]*?^```$/gm, "");
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}
