import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { z } from "zod";
import { isLogLevel, type LogFilter } from "../engine/log-source.js";
import { DevloopError, toFailure, type ErrorCode } from "../lib/errors.js";
import type { EventStreams } from "./event-streams.js";
import { createLogViews } from "./log-views.js";
import { writeLogs } from "./log-stream.js";
import type { ServedLoop } from "./loop.js";
import { requests, versionHeader, type LoopIdentity, type RequestName } from "./protocol.js";
import { resolveResource } from "./resolve-resource.js";

/** The largest body that is read, in bytes: requests are a few names. */
const largestBody = 64 * 1024;

/** How long the last lines of a stream may take to be read at the end, in ms. */
const lastLinesMs = 300;

/** A server of a loop's paths, not listening yet. */
export interface ControlServer extends AsyncDisposable {
  readonly server: Server;
}

/**
 * Answers what docs/control.md lists. Whoever can connect may ask for everything: the socket's directory decides who can. A request
 * is answered by itself; streams end with the client, with `signal`, or with the loop.
 */
export function controlServer(
  loop: ServedLoop,
  {
    identity,
    streams,
    signal,
  }: { readonly identity: LoopIdentity; readonly streams: EventStreams; readonly signal: AbortSignal },
): ControlServer {
  const views = createLogViews(loop.logs);
  const open = new Set<ServerResponse>();
  const openStream = (response: ServerResponse): void => {
    open.add(response);
    response.on("close", () => open.delete(response));
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    // The first line may be long in coming: that it will is to be heard now.
    response.flushHeaders();
  };
  const server = createServer((request, response) => {
    response.setHeader(versionHeader, identity.version);
    answer(request, response).catch((error: unknown) => {
      fail(response, error);
    });
  });
  // A stream goes on for days.
  server.requestTimeout = 0;
  server.timeout = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://loop");
    const path = url.pathname;
    const gone = new AbortController();
    response.on("close", () => {
      gone.abort();
    });
    const over = AbortSignal.any([signal, gone.signal]);
    if (request.method === "GET") {
      switch (path) {
        case "/v1/loop":
          sendJson(response, identity);
          return;
        case "/v1/state":
          sendJson(response, streams.state());
          return;
        case "/v1/events":
          openStream(response);
          streams.addEvents(response);
          return;
        case "/v1/logs":
          await logs(url.searchParams, response, over);
          return;
        case "/v1/manifest": {
          const manifest = await loop.details.manifest(workload(url), { signal: over });
          if (!manifest) throw new DevloopError("NOT_FOUND", "this session has not applied it yet");
          sendJson(response, manifest);
          return;
        }
        case "/v1/describe":
          sendJson(response, { text: await loop.details.describe(workload(url), { signal: over }) });
          return;
        case "/v1/previous-logs":
          sendJson(response, { text: await loop.details.previousLogs(workload(url), { signal: over }) });
          return;
        case "/v1/screen":
          checkVersion(request);
          openStream(response);
          streams.addScreen(response);
          return;
        case "/v1/log-view":
          checkVersion(request);
          views.open(viewFilter(url.searchParams), () => {
            openStream(response);
            return response;
          });
          return;
        case "/v1/log-view/lines":
          sendJson(response, await views.lines(url.searchParams, over));
          return;
        case "/v1/log-view/find":
          sendJson(response, await views.find(url.searchParams, over));
          return;
        default:
      }
    }
    const name = path.replace(/^\/v1\//, "");
    if (request.method === "POST" && path.startsWith("/v1/") && isRequest(name)) {
      const body = await readBody(request);
      ask(name, body);
      sendJson(response, {});
      return;
    }
    throw new DevloopError("NOT_FOUND", `there is no ${request.method ?? "GET"} ${path}`, {
      hint: "docs/control.md lists the paths",
    });
  }

  function ask(name: RequestName, body: unknown): void {
    const state = loop.store.getSnapshot();
    const { control } = loop;
    switch (name) {
      case "trigger": {
        const { resource } = parsed(requests.trigger, body);
        control.trigger(
          resource === undefined
            ? undefined
            : resolveResource(state, resource, ["image", "deploy", "workload"]).id,
        );
        return;
      }
      case "pause":
        control.pause();
        return;
      case "resume":
        control.resume();
        return;
      case "sync": {
        const { on, image } = parsed(requests.sync, body);
        control.setSync(
          on,
          image === undefined ? undefined : resolveResource(state, image, ["image"]).subject,
        );
        return;
      }
      case "focus":
        control.focus(
          parsed(requests.focus, body).images.map(
            (image) => resolveResource(state, image, ["image"]).subject,
          ),
        );
        return;
      case "restart":
        control.restart(
          resolveResource(state, parsed(requests.restart, body).workload, ["workload"]).subject,
        );
        return;
      case "stop":
        control.stop();
    }
  }

  async function logs(query: URLSearchParams, response: ServerResponse, over: AbortSignal): Promise<void> {
    const state = loop.store.getSnapshot();
    const filter = filterOf(query);
    const resources = filter.resources?.flatMap(
      (name) => resolveResource(state, name, ["workload", "image", "deploy"]).logs,
    );
    const tail = query.get("tail");
    const wanted = {
      ...(tail === null ? {} : { tail: wholeNumber(tail, "tail") }),
      follow: query.get("follow") === "1",
      signal: over,
    };
    await using view = loop.logs.view({ ...filter, ...(resources ? { resources } : {}) });
    // What is wrong with the question is told before.
    openStream(response);
    try {
      await writeLogs(response, view, wanted);
    } catch (error) {
      if (!over.aborted) throw error;
    }
    response.end();
  }

  function workload(url: URL): string {
    const name = url.searchParams.get("workload") ?? "";
    return resolveResource(loop.store.getSnapshot(), name, ["workload"]).subject;
  }

  /** A screen reduces our events with its own code: that must be the same. */
  function checkVersion(request: IncomingMessage): void {
    const asked = request.headers[versionHeader];
    if (asked === identity.version) return;
    throw new DevloopError(
      "LOOP_VERSION",
      `the loop runs devloop ${identity.version}, and this is ${typeof asked === "string" ? asked : "no devloop"}`,
      { hint: "devloop stop, then devloop up: the loop runs the newer one then" },
    );
  }

  return {
    server,
    async [Symbol.asyncDispose]() {
      await views[Symbol.asyncDispose]();
      for (const stream of open) stream.end();
      const timer = setTimeout(() => {
        server.closeAllConnections();
      }, lastLinesMs);
      await new Promise<void>((resolve) => {
        // Not listening any more is no reason to leave those who are still connected.
        server.close(() => {
          resolve();
        });
      });
      clearTimeout(timer);
    },
  };
}

function isRequest(name: string): name is RequestName {
  return Object.hasOwn(requests, name);
}

/** The filter of a screen's view, which may be one that lets nothing through. */
function viewFilter(query: URLSearchParams): LogFilter {
  const filter = filterOf(query);
  return query.get("nothing") === "1" ? { ...filter, resources: [] } : filter;
}

/** What a query says of the lines that are wanted. Throws USAGE. */
function filterOf(query: URLSearchParams): LogFilter {
  const level = query.get("level");
  if (level !== null && !isLogLevel(level))
    throw new DevloopError("USAGE", `${level} is no level`, {
      hint: "trace, debug, info, warn, error or fatal",
    });
  const resources = query.getAll("resource");
  const pod = query.get("pod");
  const container = query.get("container");
  const since = query.get("since");
  const [text, regex] = [query.get("text"), query.get("regex")];
  return {
    ...(resources.length > 0 ? { resources } : {}),
    ...(pod === null ? {} : { pod }),
    ...(container === null ? {} : { container }),
    ...(level === null ? {} : { level }),
    ...(since === null ? {} : { since: wholeNumber(since, "since") }),
    ...(regex !== null
      ? { pattern: { kind: "regex", source: regex, flags: query.get("flags") ?? "" } as const }
      : text !== null
        ? { pattern: { kind: "text", text } as const }
        : {}),
  };
}

function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new DevloopError("USAGE", `${name} takes a whole number, not ${text}`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw new DevloopError("USAGE", `a request may have ${largestBody} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DevloopError("USAGE", "the request's body is not JSON", { cause: error });
  }
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new DevloopError("USAGE", `the request's body: ${z.prettifyError(result.error)}`);
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

const statusOf: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: 400,
  NOT_FOUND: 404,
  LOOP_VERSION: 409,
};

function fail(response: ServerResponse, error: unknown): void {
  const failure = toFailure(error);
  // A stream under way has had its status: all that is left is to break off.
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(statusOf[failure.code] ?? 500, {
    "content-type": "application/json",
    connection: "close",
  });
  response.end(`${JSON.stringify({ error: failure })}\n`);
}
