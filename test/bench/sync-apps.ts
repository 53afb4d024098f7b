import type { SyncProjectSpec } from "../e2e/sync-project.js";

/** Reads the file for each request, and keeps connections: what is measured is the file's way, not the server's. */
const pages = `const { createServer } = require("node:http");
const { readFile } = require("node:fs");
createServer((request, answer) => {
  readFile("/www" + (request.url === "/" ? "/page.txt" : request.url), (error, bytes) => {
    answer.writeHead(error ? 404 : 200, { "content-length": error ? 0 : bytes.length });
    answer.end(error ? undefined : bytes);
  });
}).listen(8080);
process.on("SIGTERM", () => process.exit(0));
`;

const node = `const { createServer } = require("node:http");
const text = require("./text.js");
createServer((_, answer) => answer.end(text)).listen(Number(process.env.PORT ?? 8080));
process.on("SIGTERM", () => process.exit(0));
`;

const python = `import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from text import TEXT

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT.encode())
    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Page).serve_forever()
`;

const port = 9000;

/** Runs in a container: starts a second process of the server, and says after how many ms it answered first. */
export const ownStart = {
  node: [
    "node",
    "-e",
    `const { spawn } = require("node:child_process");
const { get } = require("node:http");
const began = performance.now();
const child = spawn("node", ["/app/server.js"], { env: { ...process.env, PORT: "${port}" }, stdio: "ignore" });
const ask = () => get("http://127.0.0.1:${port}/", (answer) => {
  console.log(performance.now() - began);
  answer.resume();
  child.kill("SIGKILL");
  child.on("exit", () => process.exit());
}).on("error", () => setTimeout(ask, 1));
ask();`,
  ],
  python: [
    "python",
    "-c",
    `import os, subprocess, time, urllib.request
began = time.monotonic()
child = subprocess.Popen(["python", "/app/server.py"], env={**os.environ, "PORT": "${port}"})
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:${port}/").read()
        break
    except OSError:
        time.sleep(0.001)
print((time.monotonic() - began) * 1000)
child.kill()
child.wait()`,
  ],
} as const;

export type Language = keyof typeof ownStart;

/** The text that a server of a language imports, so that a new one needs a new process. */
export const textFile: Readonly<Record<Language, (text: string) => readonly [path: string, text: string]>> = {
  node: (text) => ["node/app/text.js", `module.exports = ${JSON.stringify(text)};\n`],
  python: (text) => ["python/app/text.py", `TEXT = ${JSON.stringify(text)}\n`],
};

/** What is measured: pages that are read for each request, and two servers that are started anew. `stamp` makes the images' content its own. */
export function syncApps(stamp: string): SyncProjectSpec {
  const [nodeText, pythonText] = [textFile.node(stamp), textFile.python(stamp)];
  return {
    images: {
      pages: `    sync: [{ src: www, dest: /www }]`,
      node: `    sync: [{ src: app, dest: /app, then: restart }]`,
      python: `    sync: [{ src: app, dest: /app, then: restart }]`,
    },
    apps: ["pages", "node", "python"].map((name) => ({ name, image: name, serves: true })),
    files: {
      "pages/Dockerfile": `FROM node:20-bookworm-slim\nCOPY server.js /server.js\nCOPY www /www\nCMD ["node", "/server.js"]\n`,
      "pages/server.js": pages,
      "pages/www/page.txt": stamp,
      "node/Dockerfile": `FROM node:20-bookworm-slim\nCOPY app /app\nCMD ["node", "/app/server.js"]\n`,
      "node/app/server.js": node,
      [nodeText[0]]: nodeText[1],
      "python/Dockerfile": `FROM python:3.11-slim-bookworm\nENV PYTHONDONTWRITEBYTECODE=1\nCOPY app /app\nCMD ["python", "/app/server.py"]\n`,
      "python/app/server.py": python,
      [pythonText[0]]: pythonText[1],
    },
  };
}
