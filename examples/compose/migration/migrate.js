// Runs once and ends: the store has its schema then, and what depends on it may start.
const { readFile } = require("node:fs/promises");

const store = process.env.STORE_URL ?? "http://localhost:5000";

async function migrate() {
  const password = (await readFile("/run/secrets/store-password", "utf8")).trim();
  const response = await fetch(`${store}/schema`, {
    method: "PUT",
    headers: { authorization: `Bearer ${password}` },
    body: JSON.stringify({ version: 1 }),
  });
  if (!response.ok) throw new Error(`${store}/schema answered ${response.status}`);
  console.log("schema is at version 1");
}

migrate().catch((error) => {
  console.error(error.cause ?? error);
  process.exitCode = 1;
});
