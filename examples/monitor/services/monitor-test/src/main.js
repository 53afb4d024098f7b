import { createHash, timingSafeEqual } from "node:crypto";
import { hostname } from "node:os";
import { createLog } from "./log.js";
import { serve } from "./serve.js";
import { createSimulation } from "./simulation.js";

const port = Number(process.env.PORT ?? 3000);
const stepMs = Number(process.env.STEP_MS ?? 500);
const drainMs = Number(process.env.DRAIN_MS ?? 1000);
const token = process.env.MONITOR_TOKEN ?? "";
const burstSteps = 20;

const log = createLog("monitor-test");
const simulation = createSimulation();
const steps = setInterval(() => simulation.step(), stepMs);

serve({
  port,
  drainMs,
  log,
  onStopping: () => clearInterval(steps),
  routes: {
    "GET /": () => ({
      body: { service: "monitor-test", endpoints: ["/metrics", "/health", "/ready", "POST /burst"] },
    }),
    "GET /metrics": () => ({
      body: {
        service: "monitor-test",
        instance: hostname(),
        timestamp: new Date().toISOString(),
        ...simulation.read(),
      },
    }),
    // The one request that changes something, so it takes the token of the Secret.
    "POST /burst": (request) => {
      if (token === "") return { status: 503, body: { error: "MONITOR_TOKEN is not set" } };
      if (!isBearer(request.headers.authorization, token)) {
        return { status: 401, body: { error: "wrong or missing token" } };
      }
      simulation.burst(burstSteps);
      log.info("burst", { seconds: (burstSteps * stepMs) / 1000 });
      return { status: 202, body: { burst: true } };
    },
  },
});

/** Compares hashes, which are of one length, in a time that tells nothing about the token. */
function isBearer(header, expected) {
  const hash = (text) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(header ?? ""), hash(`Bearer ${expected}`));
}
