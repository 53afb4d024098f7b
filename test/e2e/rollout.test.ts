import { get } from "node:http";
import { describe, expect, it } from "vitest";
import { targets } from "./clusters.js";
import { start } from "./devloop.js";
import { scratchProject } from "./scratch.js";

describe.each(targets)("a forwarded port during rollouts on %s", (_name, target) => {
  it("answers every request of a client that asks it every 20 ms, each on a connection of its own", async () => {
    const cluster = target();
    await using project = await scratchProject(cluster, "rollout");
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    const client = askAll(project.ports.web);
    for (const version of [2, 3]) {
      const since = devloop.mark();
      const text = `web version ${version}\n`;
      await project.write("web/www/index.html", text);
      await client.seen(text);
      // The old pod is still there when the new one is ready; what it does at its end is part of the rollout.
      await devloop.ready({ since });
      await client.more(150);
    }
    const answers = await client.end();
    expect(answers.filter((answer) => !/^200 web version [123]\n$/.test(answer))).toEqual([]);
    // Fewer would mean that they waited for each other: new ones begin whether or not the last one has its answer.
    expect(answers.length).toBeGreaterThan(300);
  });
});

/** How many may be unanswered at once: those of a second. */
const mostOpen = 50;

/** Asks a port every 20 ms and keeps what came back: a status with its page, or an error's code. */
function askAll(port: number) {
  const answers: string[] = [];
  const waiting = new Set<() => void>();
  const open = new Set<Promise<void>>();
  const ask = async (): Promise<void> => {
    answers.push(await answerOf(port));
    for (const look of [...waiting]) look();
  };
  const timer = setInterval(() => {
    // A machine that cannot keep up would only fall further behind.
    if (open.size >= mostOpen) return;
    const asked: Promise<void> = ask().finally(() => open.delete(asked));
    open.add(asked);
  }, 20);
  const until = (reached: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!reached()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
    });
  return {
    seen: (text: string) => until(() => answers.at(-1) === `200 ${text}`),
    more: (count: number) => {
      const goal = answers.length + count;
      return until(() => answers.length >= goal);
    },
    end: async () => {
      clearInterval(timer);
      await Promise.all(open);
      return answers;
    },
  };
}

function answerOf(port: number): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      resolve(error.code ?? error.message);
    };
    const request = get({ host: "127.0.0.1", port, agent: false, timeout: 60_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", failed);
      response.on("end", () => {
        resolve(`${response.statusCode} ${text}`);
      });
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 60 s")));
    request.on("error", failed);
  });
}
