import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const port = Number(process.env.PORT ?? 5000);
const data = process.env.DATA ?? "/var/lib/store";
const password = (await readFile("/run/secrets/store-password", "utf8")).trim();
const files = {
  catalogue: join(data, "catalogue.json"),
  schema: join(data, "schema.json"),
  orders: join(data, "orders.jsonl"),
};

const routes = {
  "GET /health": () => ({ status: "ok" }),
  "GET /catalogue": async () => JSON.parse(await readFile(files.catalogue, "utf8")),
  "GET /schema": () => schema(),
  "GET /orders": () => orders(),
  "PUT /schema": async (body) => {
    await writeFile(files.schema, JSON.stringify(body));
    return body;
  },
  "POST /orders": async (order) => {
    // As a database without its tables: nothing is taken before the migration has run.
    if ((await schema()) === null) throw new Error("no schema yet");
    await appendFile(files.orders, `${JSON.stringify(order)}\n`);
    return order;
  },
};

const schema = () => read(files.schema, (text) => JSON.parse(text), null);
const orders = () =>
  read(
    files.orders,
    (text) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    [],
  );

async function read(file, parse, otherwise) {
  try {
    return parse(await readFile(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return otherwise;
    throw error;
  }
}

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const route = routes[`${request.method} ${request.url}`];
  if (!route) return answer(404, { error: "not found" });
  if (request.method !== "GET" && request.headers.authorization !== `Bearer ${password}`)
    return answer(401, { error: "wrong password" });
  try {
    let text = "";
    for await (const chunk of request) text += chunk;
    answer(200, await route(text === "" ? undefined : JSON.parse(text)));
  } catch (error) {
    answer(500, { error: error.message });
  }
});
server.listen(port, () => console.log(`store listens on ${port}, data in ${data}`));

for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
