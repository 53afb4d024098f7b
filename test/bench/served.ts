import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** How long an answer may be awaited, and content that does not come, in ms. */
const answerMs = 5_000;
const contentMs = 60_000;

/**
 * Asks a port again and again with 1 ms between, until what it answers holds the text. Returns when that was, on
 * `performance.now()`'s clock. `keepAlive`: over one connection that stays, not a new one each time, which takes longer than the answer.
 */
export async function servedAt(
  port: number,
  path: string,
  { wanted, keepAlive }: { readonly wanted: string; readonly keepAlive: boolean },
): Promise<number> {
  const agent = new Agent({ keepAlive, maxSockets: 1 });
  const end = performance.now() + contentMs;
  try {
    while (performance.now() < end) {
      const body = await ask(agent, port, path).catch(() => "");
      if (body.includes(wanted)) return performance.now();
      await sleep(1);
    }
  } finally {
    agent.destroy();
  }
  throw new Error(`port ${port} did not answer ${wanted} at ${path} within ${contentMs} ms`);
}

function ask(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ agent, host: "127.0.0.1", port, path, timeout: answerMs }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => (body += text));
      answer.on("end", () => {
        resolve(body);
      });
      answer.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("error", reject);
  });
}
