const fields = ["cpuPercent", "memoryMiB", "requestsPerSecond", "latencyMs"];

/** The last `size` samples, oldest first. */
export function createHistory(size) {
  const samples = [];
  return {
    add(sample) {
      samples.push(sample);
      if (samples.length > size) samples.shift();
    },
    samples: () => samples,
    latest: () => samples.at(-1) ?? null,
    /** Least, mean and greatest of each metric, or null while there is no sample. */
    summary() {
      if (samples.length === 0) return null;
      const of = (field) => {
        const values = samples.map((sample) => sample[field]);
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        return { min: Math.min(...values), mean: Math.round(mean * 10) / 10, max: Math.max(...values) };
      };
      return {
        samples: samples.length,
        from: samples[0].timestamp,
        to: samples.at(-1).timestamp,
        ...Object.fromEntries(fields.map((field) => [field, of(field)])),
      };
    },
  };
}
