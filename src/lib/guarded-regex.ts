import { createContext, Script } from "node:vm";
import { DevloopError } from "./errors.js";

/**
 * How long one call may search before it is broken off, in ms: a person who types an expression must not stop the loop. For a single text
 * it counts what this process has worked, too: while it only waits for its turn on a busy machine, no expression is slow.
 */
const limitMs = 40;

const sandbox: { expression?: RegExp; texts?: readonly string[]; found?: boolean[] } = {};
let script: Script | undefined;

/**
 * Which of the texts match. Some expressions take for ever on some texts (`(a+)+$`): the search is broken off by the clock, which a plain
 * call of `test` cannot be. Throws USAGE for an expression that is too slow for a single text.
 */
export function testAll(expression: RegExp, texts: readonly string[]): readonly boolean[] {
  if (script === undefined) {
    script = new Script("found = texts.map((text) => expression.test(text))");
    createContext(sandbox);
  }
  const began = process.cpuUsage();
  for (;;) {
    try {
      return run(script, expression, texts);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      // A busy machine, or one bad line: each alone tells which.
      if (texts.length > 1) return texts.flatMap((text) => testAll(expression, [text]));
      const { user, system } = process.cpuUsage(began);
      if ((user + system) / 1000 < limitMs / 2) continue;
      throw new DevloopError("USAGE", `the expression /${expression.source}/ takes too long on some lines`, {
        hint: "leave out a repetition inside a repetition, such as (a+)+",
        cause: error,
      });
    }
  }
}

function run(compiled: Script, expression: RegExp, texts: readonly string[]): readonly boolean[] {
  sandbox.expression = expression;
  sandbox.texts = texts;
  compiled.runInContext(sandbox, { timeout: limitMs });
  return sandbox.found ?? [];
}
