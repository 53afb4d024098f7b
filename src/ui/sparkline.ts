const heights = "▁▂▃▄▅▆▇█";

/** Amounts as bars, one column each, the largest as high as a row. */
export function sparkline(values: readonly number[]): string {
  const largest = Math.max(...values, 1);
  return values.map((value) => heights[Math.min(7, Math.floor((value / largest) * 7.99))]).join("");
}
