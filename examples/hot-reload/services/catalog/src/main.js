import { createServer } from "node:http";
import { hostname } from "node:os";
import { offer } from "./catalog.js";

const started = new Date().toISOString();

const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "access-control-allow-origin": "*" });
  response.end(`${JSON.stringify({ text: offer(), started, pod: hostname() })}\n`);
});

server.listen(8080, () => console.log("catalog listens on port 8080"));
// The first process of a container gets no signal that it does not ask for.
process.on("SIGTERM", () => process.exit(0));
