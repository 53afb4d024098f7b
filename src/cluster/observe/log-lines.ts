import { StringDecoder } from "node:string_decoder";

/** One line as the kubelet sends it with `timestamps=true`. */
export interface StampedLine {
  /** Seconds since the epoch. */
  readonly second: number;
  /** Seconds and nanoseconds, so that later stamps compare greater as text. */
  readonly stamp: string;
  /** Ms since the epoch. */
  readonly time: number;
  readonly text: string;
}

/** A line is kept up to this many characters; what is beyond says nothing a person reads, and must not fill memory. */
export const longestLine = 256 * 1024;

/** Cuts bytes into lines, whatever the chunks are; a line beyond `longestLine` is cut short and says so. */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #overflow = false;

  /** The lines that `chunk` completes, without their ends. */
  push(chunk: Buffer): readonly string[] {
    const lines = this.#decoder.write(chunk).split("\n");
    const open = lines.pop() ?? "";
    const complete = lines.map((line, index) =>
      this.#close(index === 0 ? this.#rest + line : line, index === 0),
    );
    if (lines.length > 0) {
      this.#rest = "";
      this.#overflow = false;
    }
    if (this.#rest.length + open.length > longestLine) {
      this.#rest = (this.#rest + open).slice(0, longestLine);
      this.#overflow = true;
    } else if (!this.#overflow) this.#rest += open;
    return complete;
  }

  /** The last line, when it has no end. */
  end(): string | undefined {
    const rest = this.#rest + (this.#overflow ? "" : this.#decoder.end());
    return rest === "" ? undefined : this.#close(rest, true);
  }

  #close(line: string, first: boolean): string {
    if (line.length > longestLine || (first && this.#overflow))
      return `${line.slice(0, longestLine)} … (line cut)`;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}

const stampPattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?/;

/** Reads the stamp at the head. Undefined for what the kubelet itself says in place of a log, which has none. */
export function parseStamped(line: string): StampedLine | undefined {
  const match = stampPattern.exec(line);
  if (!match) return undefined;
  const [head, date = "", fraction = "", zone = ""] = match;
  const second = Date.parse(date + zone) / 1000;
  const nanos = fraction.padEnd(9, "0");
  return {
    second,
    stamp: `${String(second).padStart(12, "0")}.${nanos}`,
    time: second * 1000 + Math.floor(Number(nanos) / 1e6),
    text: withoutInnerStamps(line.slice(head.length)),
  };
}

/** The runtime stores a long line in pieces of this many bytes. */
const pieceBytes = 16 * 1024;

/** Kubelets before 1.22 or so put a stamp before every piece of a long line, in the middle of the text. */
function withoutInnerStamps(text: string): string {
  if (text.length < pieceBytes / 4) return text;
  let rest = Buffer.from(text);
  if (rest.length <= pieceBytes) return text;
  const pieces: Buffer[] = [];
  while (rest.length > pieceBytes) {
    pieces.push(rest.subarray(0, pieceBytes));
    rest = rest.subarray(pieceBytes);
    const stamp = stampPattern.exec(rest.subarray(0, 40).toString("latin1"));
    if (!stamp) break;
    rest = rest.subarray(stamp[0].length);
  }
  return Buffer.concat([...pieces, rest]).toString("utf8");
}
