import { PassThrough, Writable } from "node:stream";
import xterm from "@xterm/headless";

/** A terminal in memory: what is written to `stdout` is drawn, and can be looked at. */
export interface TestTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** What stands on the screen: its rows, without the blanks at their ends. */
  rows(): readonly string[];
  resize(columns: number, rows: number): void;
  /** Everything that was written. */
  readonly written: () => string;
  readonly state: () => { readonly alternate: boolean; readonly cursor: boolean; readonly raw: boolean };
  readonly model: InstanceType<typeof xterm.Terminal>;
}

export function openTestTerminal(columns: number, rows: number): TestTerminal {
  const model = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 100 });
  let written = "";
  let raw = false;
  let cursor = true;
  const stdout = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      written += chunk;
      for (const [, shown] of chunk.matchAll(/\u001b\[\?25([hl])/g)) cursor = shown === "h";
      model.write(chunk, done);
    },
  });
  Object.assign(stdout, { columns, rows, isTTY: true });
  const stdin = new PassThrough();
  Object.assign(stdin, {
    isTTY: true,
    setRawMode: (on: boolean) => {
      raw = on;
    },
    ref: () => stdin,
    unref: () => stdin,
  });
  return {
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    model,
    rows: () =>
      Array.from(
        { length: model.rows },
        (_, row) =>
          model.buffer.active.getLine(model.buffer.active.viewportY + row)?.translateToString(true) ?? "",
      ),
    resize(nextColumns, nextRows) {
      model.resize(nextColumns, nextRows);
      Object.assign(stdout, { columns: nextColumns, rows: nextRows });
      stdout.emit("resize");
    },
    written: () => written,
    state: () => ({ alternate: model.buffer.active.type === "alternate", cursor, raw }),
  };
}
