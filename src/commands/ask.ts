import { createInterface, type Interface } from "node:readline/promises";
import { DevloopError } from "../lib/errors.js";

/** Questions to whoever sits at the terminal. An empty answer is the default. */
export interface Ask {
  /** The index of one of the options; `fallback` is the default's. */
  choose(question: string, options: readonly string[], fallback: number): Promise<number>;
  confirm(question: string): Promise<boolean>;
}

/** Asks on the terminal; undefined where there is none to ask. */
export function terminalAsk({ signal }: { readonly signal: AbortSignal }): Ask | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  return createAsk({ input: process.stdin, output: process.stdout, signal });
}

/** Asks over two streams. Each question throws the signal's reason when aborted, USAGE when the input ends. */
export function createAsk({
  input,
  output,
  signal,
}: {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}): Ask {
  // Open for one question alone: an open interface would take the keys from the screen that comes after.
  const answer = async (question: string): Promise<string> => {
    signal.throwIfAborted();
    const lines = createInterface({ input, output });
    try {
      return (await Promise.race([lines.question(question, { signal }), ended(lines)])).trim();
    } finally {
      lines.close();
    }
  };
  return {
    async choose(question, options, fallback) {
      output.write(`${question}\n${options.map((option, index) => `  ${index + 1}  ${option}\n`).join("")}`);
      for (;;) {
        const given = await answer(`1-${options.length} [${fallback + 1}]: `);
        if (given === "") return fallback;
        const index = Number(given) - 1;
        if (options[index] !== undefined) return index;
        output.write(`${given} is none of them\n`);
      }
    },
    async confirm(question) {
      for (;;) {
        const given = (await answer(`${question} [Y/n] `)).toLowerCase();
        if (given === "" || given === "y" || given === "yes") return true;
        if (given === "n" || given === "no") return false;
        output.write("y or n\n");
      }
    },
  };
}

/** Rejects when the input ends; ctrl-c, which the terminal does not send while a line is read, is sent on. */
function ended(lines: Interface): Promise<never> {
  lines.on("SIGINT", () => {
    process.kill(process.pid, "SIGINT");
  });
  return new Promise((_, reject) => {
    lines.once("close", () => {
      reject(new DevloopError("USAGE", "the input ended before the answer"));
    });
  });
}
