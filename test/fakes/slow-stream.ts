import { Writable } from "node:stream";

/** A stream that takes everything and keeps it as text; it takes no more while it is held. */
export class SlowStream extends Writable {
  text = "";
  #held: (() => void) | undefined;
  #isHeld = false;

  constructor() {
    super({ highWaterMark: 1024, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: BufferEncoding, callback: () => void): void {
    this.text += chunk;
    if (this.#isHeld) this.#held = callback;
    else callback();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#held?.();
    this.#held = undefined;
  }

  get lines(): readonly string[] {
    return this.text.split("\n").slice(0, -1);
  }
}
