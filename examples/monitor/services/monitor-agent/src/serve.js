import { createServer } from "node:http";

/**
 * Serves `routes` ("GET /health" to a function of the request) and adds GET /health and GET /ready.
 * A route returns `{ status = 200, body, type }`; a body that is no string or Buffer is sent as JSON.
 *
 * SIGTERM and SIGINT: /ready says no, but everything is still answered for `drainMs`, because connections reach
 * a pod for a moment after it was told to stop. Then the port closes and the process ends, within half a second more.
 * As PID 1 a process gets no default action for either signal, so both are handled here.
 */
export function serve({ port, routes, log, isReady = () => true, drainMs = 1000, onStopping = () => {} }) {
  let stopping = false;
  const all = {
    ...routes,
    "GET /health": () => ({ body: { status: "ok" } }),
    "GET /ready": () => {
      const ready = !stopping && isReady();
      return { status: ready ? 200 : 503, body: { ready, stopping } };
    },
  };

  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const method = request.method === "HEAD" ? "GET" : request.method;
    let answer;
    try {
      answer = await (all[`${method} ${pathname}`] ?? notFound)(request);
    } catch (error) {
      log.error("request failed", { method, path: pathname, error: error.message });
      answer = { status: 500, body: { error: "internal error" } };
    }
    const { status = 200, body = "", type = "application/json; charset=utf-8" } = answer;
    const bytes = typeof body === "string" || Buffer.isBuffer(body) ? body : `${JSON.stringify(body)}\n`;
    response.writeHead(status, {
      "content-type": type,
      "content-length": Buffer.byteLength(bytes),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      // A client that keeps its connection would otherwise hold on to a pod that is going away.
      ...(stopping ? { connection: "close" } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  });

  const stop = (signal) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info("stopping", { signal, drainMs });
    setTimeout(() => {
      server.close(() => {
        log.info("stopped");
        process.exit(0);
      });
      onStopping();
      setTimeout(() => server.closeAllConnections(), 500);
    }, drainMs);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  server.on("error", (error) => {
    log.error("cannot listen", { port, error: error.message });
    process.exit(1);
  });
  server.listen(port, () => log.info("listening", { port: server.address().port }));
  return server;
}

function notFound() {
  return { status: 404, body: { error: "not found" } };
}
