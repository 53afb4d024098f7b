import { inspect } from "node:util";
import { expect, it } from "vitest";
import { connectEngine } from "../../src/docker/connect.js";

// The modem prints its agent with every request: with the connections in it, that costs more than the request.
it.each([
  { kind: "socket", path: "/nowhere.sock" },
  { kind: "tcp", host: "127.0.0.1", port: 1 },
] as const)("a connection over $kind is not printed into the modem's debug log", (connection) => {
  const { docker } = connectEngine({ connection, address: "nowhere", source: "a test" });
  const { agent } = docker.modem as unknown as { readonly agent: unknown };
  expect(inspect(agent, { showHidden: true, depth: null })).toBe("Agent");
});
