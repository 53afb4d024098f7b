import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { openRemoteStore } from "../../src/control/remote-store.js";
import { remoteLogs } from "../../src/control/remote-logs.js";
import { sampleLogLine, sampleState } from "../fakes/state.js";
import { serveStore } from "./rig.js";

/** As many as bring more to each client (5.6 MB) than waits for a slow one (4 MB); even: the last one resumes. */
const bursts = 70;
const linesInBurst = 300;

it(
  "ten at once get every edit and every line while one of them reads nothing, and nobody waits for it",
  { timeout: 240_000 },
  async () => {
    await using loop = await serveStore(sampleState());
    const { signal } = new AbortController();
    // One that asks for everything and reads nothing of it.
    const streams = ["/v1/screen", "/v1/events", "/v1/logs?follow=1"];
    const slow = await Promise.all(
      streams.map(async (path) => {
        const socket = connect(loop.client.socket);
        const { version } = (await loop.client.get("/v1/loop")) as { version: string };
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\ndevloop-version: ${version}\r\n\r\n`);
        await once(socket, "readable");
        return socket;
      }),
    );
    const screens = await Promise.all(
      Array.from({ length: 9 }, async () => ({
        store: await openRemoteStore(loop.client, { signal }),
        view: remoteLogs(loop.client, { signal }).view({}),
      })),
    );

    // A working day in a moment: saves, the steps of builds, and a flood of lines. Nothing in it awaits a client.
    const attempt = { id: "build:monitor-agent", attempt: 2 } as const;
    const output = Array.from({ length: 40 }, (_, n) => `step output ${n} ${"x".repeat(2_000)}`);
    for (let burst = 0; burst < bursts; burst += 1) {
      loop.store.dispatch({ type: "task.output", ...attempt, lines: output });
      loop.store.dispatch({ type: burst % 2 === 0 ? "loop.paused" : "loop.resumed" });
      loop.logs.append(
        Array.from({ length: linesInBurst }, (_, n) =>
          sampleLogLine("monitor-agent", `line ${burst * linesInBurst + n} ${"y".repeat(100)}`),
        ),
      );
      await loop.logs.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    loop.store.dispatch({ type: "focus.changed", images: ["monitor-test"] });

    const all = bursts * linesInBurst;
    await expect
      .poll(
        () =>
          screens.map(({ store, view }) => [store.getSnapshot().focus, store.getSnapshot().paused, view.end]),
        // Less than the whole test has: else the difference is never shown.
        { timeout: 200_000 },
      )
      .toEqual(Array(9).fill([["monitor-test"], false, all]));
    for (const { view } of screens) {
      const last = await view.lines(all - 2, all);
      expect(last.map(({ text }) => text.split(" ")[1])).toEqual([String(all - 2), String(all - 1)]);
      expect(view.dropped).toBe(0);
    }
    expect(await loop.client.get("/v1/state")).toMatchObject({ focus: ["monitor-test"] });

    // It was left out of what did not fit its queue, and is told the state anew once it reads.
    const [, events] = slow;
    let text = "";
    for await (const chunk of events!.setEncoding("utf8") as AsyncIterable<string>) {
      text = (text + chunk).slice(-50_000);
      if (/"missed":[1-9]/.test(text)) break;
    }
    expect(text).toContain('"focus":["monitor-test"]');
    for (const socket of slow) socket.destroy();
  },
);
