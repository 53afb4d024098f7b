import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  advance,
  type LogCursor,
  sinceTime,
  skipDelivered,
} from "../../../src/cluster/observe/log-cursor.js";
import { LineSplitter, longestLine, parseStamped } from "../../../src/cluster/observe/log-lines.js";

describe("LineSplitter", () => {
  it("gives the same lines however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.array(fc.nat(7)), (texts, cuts) => {
        const lines = texts.map((text) => text.replace(/[\r\n]/g, ""));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const splitter = new LineSplitter();
        const found: string[] = [];
        let at = 0;
        for (const cut of cuts) {
          found.push(...splitter.push(bytes.subarray(at, at + cut)));
          at += cut;
        }
        found.push(...splitter.push(bytes.subarray(at)));
        expect(found).toEqual(lines);
        expect(splitter.end()).toBeUndefined();
      }),
    );
  });

  it("cuts a line that would fill memory, and goes on after it", () => {
    const splitter = new LineSplitter();
    for (let sent = 0; sent < 3 * longestLine; sent += 1000)
      expect(splitter.push(Buffer.alloc(1000, "x"))).toEqual([]);
    const [long, next] = splitter.push(Buffer.from("\nnext\r\n"));
    expect(long).toHaveLength(longestLine + " … (line cut)".length);
    expect(next).toBe("next");
  });

  it("keeps the line without an end apart", () => {
    const splitter = new LineSplitter();
    expect(splitter.push(Buffer.from("a\nb"))).toEqual(["a"]);
    expect(splitter.end()).toBe("b");
  });
});

describe("parseStamped", () => {
  it("orders stamps whose zeros the kubelet left out, and stamps of other zones", () => {
    const stamps = [
      "2026-01-01T10:00:00Z",
      "2026-01-01T10:00:00.09Z",
      "2026-01-01T12:00:00.1+02:00",
      "2026-01-01T10:00:00.123456789Z",
    ];
    const parsed = stamps.map((stamp) => parseStamped(`${stamp} text`)!);
    expect(parsed.map((line) => line.stamp)).toEqual(parsed.map((line) => line.stamp).sort());
    expect(parsed.every((line) => line.text === "text" && line.second === parsed[0]!.second)).toBe(true);
    expect(parsed[3]!.time).toBe(Date.UTC(2026, 0, 1, 10, 0, 0, 123));
  });

  it("is undefined for what the kubelet says itself", () => {
    expect(parseStamped("unable to retrieve container logs for containerd://abc")).toBeUndefined();
  });

  it("joins the pieces of a long line that old kubelets stamp one by one", () => {
    const stamp = "2026-01-01T10:00:00.123456789Z ";
    const pieces = ["a".repeat(16_384), "b".repeat(16_384), "c"];
    expect(parseStamped(pieces.map((piece) => stamp + piece).join(""))?.text).toBe(pieces.join(""));
    expect(parseStamped(stamp + pieces.join(""))?.text).toBe(pieces.join(""));
  });
});

describe("a cursor", () => {
  /** What a kubelet keeps: lines with stamps that go up, here and there a little out of order, many alike. */
  const logs = fc
    .array(fc.tuple(fc.nat(4), fc.integer({ min: -3, max: 3 })), { minLength: 1, maxLength: 60 })
    .map((steps) => {
      let tenths = 100;
      return steps.map(([step, jitter], number) => {
        tenths += step;
        const at = Math.max(0, tenths + jitter);
        const time = new Date(Date.UTC(2026, 0, 1) + at * 100).toISOString();
        return parseStamped(`${time} ${number}`)!;
      });
    });

  it("resumed anywhere, any number of times, brings every line once and in order", () => {
    fc.assert(
      fc.property(logs, fc.array(fc.nat(20), { maxLength: 8 }), (log, breaks) => {
        const delivered: string[] = [];
        let cursor: LogCursor | undefined;
        const read = (most: number): void => {
          const since = cursor ? Date.parse(sinceTime(cursor)) / 1000 : 0;
          const isNew = cursor ? skipDelivered(cursor) : () => true;
          for (const line of log.filter((entry) => entry.second >= since).slice(0, most)) {
            if (!isNew(line)) continue;
            delivered.push(line.text);
            cursor = advance(cursor, line);
          }
        };
        for (const most of breaks) read(most);
        read(Infinity);
        expect(delivered).toEqual(log.map((line) => line.text));
      }),
    );
  });

  it("after a rotation nothing new is taken for old", () => {
    const line = (second: number, text: string) => parseStamped(`2026-01-01T10:00:0${second}.5Z ${text}`)!;
    const cursor = [line(1, "a"), line(1, "b")].reduce<LogCursor | undefined>(advance, undefined)!;
    expect([line(2, "c"), line(2, "d")].filter(skipDelivered(cursor)).map((entry) => entry.text)).toEqual([
      "c",
      "d",
    ]);
  });
});
