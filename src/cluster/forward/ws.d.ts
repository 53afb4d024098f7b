/** The part of `ws` (client-node's own websocket) that tunnels use; it ships no types. */
declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { RequestOptions } from "node:https";

  export default class WebSocket extends EventEmitter {
    static readonly OPEN: 1;
    constructor(
      url: string,
      protocols: readonly string[],
      options: RequestOptions & { perMessageDeflate?: boolean; handshakeTimeout?: number },
    );
    readonly readyState: number;
    readonly bufferedAmount: number;
    send(data: Buffer, sent: (error?: Error) => void): void;
    ping(): void;
    pause(): void;
    resume(): void;
    close(code?: number): void;
    terminate(): void;
  }
}
