import { setTimeout as sleep } from "node:timers/promises";

/** Until the first answer it asks this often: the page is ready as soon as the other service is. */
const eagerMs = 200;

/**
 * Reads `url`/metrics every `pollMs` until `signal` aborts and gives each sample to `onSample`.
 * Failing never ends it: the two services may start, stop and move in any order.
 */
export function followUpstream({ url, pollMs, log, onSample, signal }) {
  const status = { url, reached: false, up: false, lastSuccess: null, error: null, polls: 0, failures: 0 };

  const poll = async () => {
    status.polls += 1;
    try {
      const timeout = AbortSignal.timeout(Math.max(pollMs, 2000));
      // A connection for each: a kept one would stay with whoever took it first, whichever pods the Service has by now.
      const response = await fetch(`${url}/metrics`, {
        headers: { connection: "close" },
        signal: AbortSignal.any([signal, timeout]),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const sample = await response.json();
      if (!status.up) log.info("upstream reached", { url, afterFailures: status.failures });
      Object.assign(status, {
        reached: true,
        up: true,
        lastSuccess: new Date().toISOString(),
        error: null,
        failures: 0,
      });
      onSample(sample);
    } catch (error) {
      if (signal.aborted) return;
      status.failures += 1;
      status.error = error.cause?.code ?? error.message;
      // Once for each outage: a line a second would bury the rest of the log.
      if (status.failures === 1) log.warn("upstream does not answer", { url, error: status.error });
      status.up = false;
    }
  };

  const loop = async () => {
    while (!signal.aborted) {
      await poll();
      await sleep(status.reached ? pollMs : Math.min(eagerMs, pollMs), undefined, { signal }).catch(() => {});
    }
  };
  // It cannot reject: poll keeps every error, and a sleep ends early only with the signal.
  void loop();
  return status;
}
