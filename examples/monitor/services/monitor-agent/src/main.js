import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { createHistory } from "./history.js";
import { createLog } from "./log.js";
import { serve } from "./serve.js";
import { followUpstream } from "./upstream.js";

const port = Number(process.env.PORT ?? 8888);
const drainMs = Number(process.env.DRAIN_MS ?? 1000);
const pollMs = Number(process.env.POLL_MS ?? 1000);
const historySize = Number(process.env.HISTORY_SIZE ?? 120);
const environment = process.env.ENVIRONMENT ?? "local";
const upstreamUrl = `http://${process.env.SERVICE_NAME ?? "localhost"}:${process.env.SERVICE_PORT ?? 3000}`;
const token = process.env.MONITOR_TOKEN ?? "";

const log = createLog("monitor-agent");
const history = createHistory(historySize);
const stop = new AbortController();
let samples = 0;

const upstream = followUpstream({
  url: upstreamUrl,
  pollMs,
  log,
  signal: stop.signal,
  onSample(sample) {
    history.add(sample);
    samples += 1;
    if (samples % 10 === 1) {
      const { cpuPercent, memoryMiB, requestsPerSecond, latencyMs } = sample;
      log.info("sample", { cpuPercent, memoryMiB, requestsPerSecond, latencyMs });
    }
  },
});

const about = () => ({ service: "monitor-agent", instance: hostname(), environment, upstream });

serve({
  port,
  drainMs,
  log,
  // Ready once it has ever had a sample: an upstream that goes away later is shown on the page, not punished here.
  isReady: () => upstream.reached,
  onStopping: () => stop.abort(),
  routes: {
    "GET /": page("index.html", "text/html; charset=utf-8"),
    "GET /chart.js": page("chart.js", "text/javascript; charset=utf-8"),
    "GET /style.css": page("style.css", "text/css; charset=utf-8"),
    "GET /metrics": () => ({ body: { ...about(), latest: history.latest(), history: history.summary() } }),
    "GET /history": () => ({ body: { ...about(), pollMs, historySize, samples: history.samples() } }),
    "POST /burst": async () => {
      const response = await fetch(`${upstreamUrl}/burst`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(2000),
      }).catch((error) => ({ status: 502, error: error.cause?.code ?? error.message }));
      log.info("burst asked for", { status: response.status });
      return {
        status: response.status,
        body: response.error ? { error: response.error } : await response.json(),
      };
    },
  },
});

/** Read anew each time: a file copied into the running container shows on the next reload. */
function page(name, type) {
  const file = new URL(`page/${name}`, import.meta.url);
  return async () => ({ type, body: await readFile(file) });
}
