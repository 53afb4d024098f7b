import { Box, Text } from "ink";
import { age } from "../lib/format.js";
import type { Row } from "./rows.js";
import { signs, useTheme } from "./theme.js";

/** A line of the table: a heading or a row. */
export type TableLine = { readonly heading: Row["kind"] } | { readonly row: Row };

/** The rows with a heading above each kind; deploys stand with the images. */
export function tableLines(rows: readonly Row[]): readonly TableLine[] {
  return rows.flatMap((row, index) => {
    const before = rows[index - 1];
    const isNew = !before || (before.kind !== row.kind && row.kind !== "deploy");
    return isNew ? [{ heading: row.kind }, { row }] : [{ row }];
  });
}

/** The part of `lines` that fits `height`, with the selected row in it. */
export function visiblePart(
  lines: readonly TableLine[],
  height: number,
  selected: string | undefined,
): { readonly lines: readonly TableLine[]; readonly first: number } {
  const at = lines.findIndex((line) => "row" in line && line.row.id === selected);
  const first = Math.max(0, Math.min(at - Math.floor(height / 2), lines.length - height));
  return { lines: lines.slice(first, first + height), first };
}

/** Widest name that the table gives room to, in columns. */
const maxNameWidth = 32;

export function Table(props: {
  readonly lines: readonly TableLine[];
  readonly rows: readonly Row[];
  readonly selected: string | undefined;
  readonly columns: number;
  readonly now: number;
}) {
  const { lines, rows, selected, columns, now } = props;
  const longest = Math.max(8, ...rows.map((row) => row.name.length));
  const nameWidth = Math.min(longest, maxNameWidth, Math.max(8, Math.floor(columns * 0.3)));
  return (
    <Box flexDirection="column" flexShrink={0} height={lines.length}>
      {lines.map((line) =>
        "heading" in line ? (
          <Heading key={`heading:${line.heading}`} kind={line.heading} nameWidth={nameWidth} />
        ) : (
          <RowLine
            key={line.row.id}
            row={line.row}
            selected={line.row.id === selected}
            nameWidth={nameWidth}
            shortUrls={columns < 72}
            now={now}
          />
        ),
      )}
    </Box>
  );
}

function Heading({ kind, nameWidth }: { readonly kind: Row["kind"]; readonly nameWidth: number }) {
  const { dim } = useTheme();
  const columns = kind === "workload" ? "STATE       AGE  PODS" : "STATE       AGE";
  return (
    <Text {...dim} wrap="truncate">
      {`    ${fit(kind.toUpperCase(), nameWidth)}  ${columns}`}
    </Text>
  );
}

function RowLine(props: {
  readonly row: Row;
  readonly selected: boolean;
  readonly nameWidth: number;
  /** Ports alone, where there is no room for addresses. */
  readonly shortUrls: boolean;
  readonly now: number;
}) {
  const { row, selected, nameWidth, shortUrls, now } = props;
  const urls = shortUrls ? row.urls.map((url) => url.slice(url.lastIndexOf(":"))) : row.urls;
  const theme = useTheme();
  const look = theme.health[row.health];
  const since = row.since === undefined ? "" : age(now - row.since);
  const pods = row.pods === undefined ? "" : `${row.pods.padEnd(4)}  `;
  const restarts = row.restarts ? `${row.restarts} restart${row.restarts === 1 ? "" : "s"}` : "";
  const text = [restarts, row.text].filter((part) => part !== "").join(", ");
  return (
    <Text wrap="truncate">
      {selected ? "› " : "  "}
      <Text {...look}>{signs[row.health]}</Text> <Text bold={selected}>{fit(row.name, nameWidth)}</Text>
      {"  "}
      <Text {...look}>{row.state.padEnd(10)}</Text>
      <Text {...theme.dim}>{since.padStart(5)}</Text>
      {`  ${pods}`}
      <Text {...(row.health === "bad" ? theme.bad : {})}>{text}</Text>
      {text !== "" && urls.length > 0 ? "  " : ""}
      <Text {...theme.link}>{urls.join("  ")}</Text>
    </Text>
  );
}

/** Names are ASCII (they are DNS labels), so a character is a column. */
function fit(name: string, width: number): string {
  return name.length > width ? `${name.slice(0, width - 1)}…` : name.padEnd(width);
}
