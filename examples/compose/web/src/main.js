import { randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { push } from "./queue.js";

const port = Number(process.env.PORT ?? 8080);
const redis = new URL(process.env.REDIS_URL ?? "redis://localhost:6379");
const store = process.env.STORE_URL ?? "http://localhost:5000";
const debug = process.env.LOG_LEVEL === "debug";

const routes = {
  "GET /health": () => ({ status: "ok" }),
  "GET /greeting": async () => ({ greeting: await readFile("/etc/printshop/greeting.txt", "utf8") }),
  "GET /catalogue": () => ask("/catalogue"),
  "GET /orders": () => ask("/orders"),
  // Which of its peers this service finds by name.
  "GET /peers": async () => {
    const names = (process.env.PEERS ?? "").split(",");
    const found = await Promise.all(names.map((name) => lookup(name).then(({ address }) => address, String)));
    return Object.fromEntries(names.map((name, index) => [name, found[index]]));
  },
  "POST /orders": async (body) => {
    const order = { id: randomUUID(), pages: Number(body.pages) };
    await push(redis, "orders", JSON.stringify(order));
    return order;
  },
};

async function ask(path) {
  const response = await fetch(`${store}${path}`, { signal: AbortSignal.timeout(2000) });
  return response.json();
}

const server = createServer(async (request, response) => {
  if (debug && request.url !== "/health") console.log(`${request.method} ${request.url}`);
  try {
    // Read anew each time: an edit shows on the next reload.
    if (request.method === "GET" && request.url === "/") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      return response.end(await readFile(new URL("page/index.html", import.meta.url)));
    }
    const route = routes[`${request.method} ${request.url}`];
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = route ? await route(text === "" ? {} : JSON.parse(text)) : { error: "not found" };
    response.writeHead(route ? 200 : 404, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  } catch (error) {
    response.writeHead(500, { "content-type": "application/json" });
    response.end(`${JSON.stringify({ error: error.message })}\n`);
  }
});
server.listen(port, () => console.log(`web listens on ${port}`));

for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
