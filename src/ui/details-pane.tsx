import { Box, Text } from "ink";
import { terminalText } from "../lib/terminal-text.js";
import type { Details, DetailLine } from "./detail-lines.js";
import { useTheme, type Theme } from "./theme.js";

/** The lower part of the screen: a title in a rule, what matters wrapped, then the newest lines. */
export function DetailsPane(props: {
  readonly details: Details;
  readonly columns: number;
  /** With the title. */
  readonly height: number;
  /** Stands at the right end of the rule. */
  readonly note: string;
}) {
  const { details, columns, height, note } = props;
  const theme = useTheme();
  const room = height - 1;
  const body = details.body.slice(-room);
  return (
    <Box flexDirection="column" height={height} flexShrink={0} overflow="hidden">
      <Text {...theme.dim} wrap="truncate">
        {rule(details.title, note, columns)}
      </Text>
      <Box flexDirection="column" height={room} overflow="hidden">
        <Box flexDirection="column" flexShrink={0}>
          {details.head.map((line, index) => (
            <Text key={index} wrap="wrap" {...lookOf(line, theme)}>
              {terminalText(line.text, theme)}
            </Text>
          ))}
        </Box>
        <Box
          flexDirection="column"
          height={body.length}
          flexShrink={1}
          justifyContent="flex-end"
          overflow="hidden"
        >
          {body.map((line, index) => (
            <Box key={index} height={1} flexShrink={0}>
              <Text wrap="truncate">{terminalText(line, theme)}</Text>
            </Box>
          ))}
        </Box>
      </Box>
    </Box>
  );
}

function rule(title: string, note: string, columns: number): string {
  const end = note === "" ? "" : ` ${note} ──`;
  const start = `── ${title} `;
  return start + "─".repeat(Math.max(0, columns - start.length - end.length)) + end;
}

function lookOf({ tone }: DetailLine, theme: Theme) {
  return tone === "plain" ? {} : theme[tone];
}
