/**
 * The load of a service that does not exist. Traffic wanders around a mean; CPU and latency follow the traffic;
 * memory climbs and is collected. `random` gives numbers in [0, 1), so that a test can fix the course.
 */
export function createSimulation({ random = Math.random } = {}) {
  let requestsPerSecond = 120;
  let cpuPercent = 30;
  let memoryMiB = 180;
  let latencyMs = 25;
  let burst = 0;

  const noise = (size) => (random() - 0.5) * 2 * size;
  const towards = (value, target, pull) => value + (target - value) * pull;

  return {
    /** One step of time; call it at a steady pace. */
    step() {
      const mean = burst > 0 ? 420 : 120;
      if (burst > 0) burst -= 1;
      requestsPerSecond = clamp(towards(requestsPerSecond, mean, 0.15) + noise(14), 5, 600);
      cpuPercent = clamp(towards(cpuPercent, 8 + requestsPerSecond * 0.19, 0.3) + noise(3), 1, 100);
      memoryMiB += requestsPerSecond * 0.012 + noise(1.5);
      if (memoryMiB > 320) memoryMiB = 170 + random() * 15;
      // The busier the processor, the longer a request waits for it.
      latencyMs = clamp(towards(latencyMs, 12 + 900 / (118 - cpuPercent), 0.4) + noise(2.5), 2, 400);
    },
    /** More traffic for the next `steps` steps. */
    burst(steps) {
      burst = steps;
    },
    read() {
      return {
        cpuPercent: round(cpuPercent),
        memoryMiB: round(memoryMiB),
        requestsPerSecond: round(requestsPerSecond),
        latencyMs: round(latencyMs),
      };
    },
  };
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function round(value) {
  return Math.round(value * 10) / 10;
}
