import { once } from "node:events";
import { connect } from "node:net";

/** Puts an entry at the head of a list of Redis: LPUSH in RESP 2, on a connection of its own. */
export async function push({ hostname, port }, list, entry) {
  const socket = connect(Number(port || 6379), hostname);
  socket.setTimeout(2000, () => socket.destroy(new Error("redis does not answer")));
  try {
    const words = ["LPUSH", list, entry];
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join("")}`);
    const [answer] = await once(socket, "data");
    if (!answer.toString().startsWith(":")) throw new Error(answer.toString().trim());
  } finally {
    socket.destroy();
  }
}
