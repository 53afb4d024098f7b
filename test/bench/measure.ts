/** A row of a table: what was measured, and its values in the order they came. */
export interface Row {
  readonly what: string;
  /** In `unit`; one value for what is counted once. */
  readonly values: readonly number[];
  readonly unit: "ms" | "s" | "MB" | "count";
  /** The design's, in words. */
  readonly target?: string;
  /** Another tool's values for the same thing, measured in the same run. */
  readonly beside?: { readonly tool: string; readonly values: readonly number[] };
}

/** The value in the middle; of an even number the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (upper + lower) / 2;
}

/** The value that 95 of 100 are not above: of sorted values the one at that rank. */
export function p95(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Number.NaN;
}

/** With fewer values it is the greatest, or next to it. */
const enoughForP95 = 20;

/** A titled table with aligned columns; numbers to the right. */
export function formatTable(title: string, rows: readonly Row[]): string {
  const cells = rows.map(({ what, values, unit, target = "", beside }) => {
    // One unit for a row, whatever its extremes.
    const show = (value: number): string => format(value, unit, median(values));
    return [
      what,
      show(median(values)),
      values.length > 1 ? `${show(Math.min(...values))} – ${show(Math.max(...values))}` : "",
      values.length >= enoughForP95 ? show(p95(values)) : "",
      String(values.length),
      target,
      beside ? besideText(beside, show) : "",
    ];
  });
  const table = [["", "median", "min – max", "p95", "n", "target", "beside it"], ...cells];
  const used = table[0]!.map((_, column) => column === 0 || cells.some((row) => row[column] !== ""));
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        numeric.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .filter((_, column) => used[column])
      .join("   ")
      .trimEnd(),
  );
  return [title, ...lines.map((line) => `  ${line}`)].join("\n");
}

const numeric: ReadonlySet<number> = new Set([1, 2, 3, 4]);

function besideText({ tool, values }: Required<Row>["beside"], show: (value: number) => string): string {
  const most = values.length >= enoughForP95 ? `, p95 ${show(p95(values))}` : "";
  return `${tool} ${show(median(values))}${most}`;
}

function format(value: number, unit: Row["unit"], typical: number): string {
  switch (unit) {
    case "ms":
      return typical < 10_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
    case "s":
      return `${value.toFixed(2)} s`;
    case "MB":
      return `${Math.round(value)} MB`;
    case "count":
      return String(value);
  }
}
