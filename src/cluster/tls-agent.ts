import { Agent, type AgentOptions, type RequestOptions } from "node:https";
import { createSecureContext } from "node:tls";

/** Connections to one API server that share its TLS settings and sessions. */
export interface TlsAgent extends Disposable {
  /** Puts the shared agent in place of the one that client-node makes for every request. */
  share(request: RequestOptions): void;
}

/**
 * Reading certificates and a full handshake cost more than everything else about a short connection: both are done
 * once, and again only when the credentials change.
 */
export function openTlsAgent(): TlsAgent {
  let shared: { readonly agent: Agent; readonly credentials: string } | undefined;
  return {
    share(request) {
      const made = request.agent;
      // Plain http, or an agent that goes through a proxy: theirs is right.
      if (!(made instanceof Agent) || made.constructor !== Agent) return;
      const settings: AgentOptions = made.options;
      const { ca, cert, key, pfx, passphrase, rejectUnauthorized } = settings;
      const credentials = [ca, cert, key, pfx, passphrase, rejectUnauthorized].map(String).join("\n");
      if (shared?.credentials !== credentials) {
        shared?.agent.destroy();
        const secureContext = createSecureContext({ ca, cert, key, pfx, passphrase });
        shared = { agent: new Agent({ ...settings, keepAlive: false, secureContext }), credentials };
      }
      made.destroy();
      request.agent = shared.agent;
    },
    [Symbol.dispose]() {
      shared?.agent.destroy();
    },
  };
}
