/** Bytes as Kubernetes writes them: the largest binary unit that divides them. */
export function memory(bytes: number): string {
  for (const [unit, size] of [
    ["Gi", 2 ** 30],
    ["Mi", 2 ** 20],
    ["Ki", 2 ** 10],
  ] as const) {
    if (bytes % size === 0 && bytes > 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** Cores as Kubernetes writes them; it knows nothing finer than a thousandth. */
export function cpu(cores: number): string {
  const milli = Math.max(1, Math.round(cores * 1000));
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** Whole seconds, at least one: what probes and grace periods take. */
export function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}

/** `1m30s` or `500ms`, as Compose writes it. */
export function span(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}
