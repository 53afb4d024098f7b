import { Box, Text } from "ink";
import { signs, useTheme } from "./theme.js";

const keys = [
  ["j k ↑ ↓", "select a row; its details and logs show beneath"],
  ["g G", "the first row, the last row"],
  ["a tab", "the logs of everything, and back to the row"],
  ["esc", "show what matters by itself: the first failure, else all logs"],
  ["r", "rebuild the selected image (a deploy is applied again)"],
  ["R", "rebuild everything"],
  ["p", "pause and go on: changes are noticed meanwhile"],
  ["?", "this page"],
  ["q ctrl-c", "quit: what is deployed stays (devloop down removes it)"],
] as const;

/** All keys and signs. */
export function Help({ height, version }: { readonly height: number; readonly version: string }) {
  const theme = useTheme();
  const meanings = { good: "well", busy: "at work", bad: "failed", waiting: "waits" } as const;
  return (
    <Box flexDirection="column" height={height} flexShrink={0} overflow="hidden" paddingX={2}>
      {keys.map(([key, does]) => (
        <Text key={key} wrap="truncate">
          <Text bold>{key.padEnd(10)}</Text>
          {does}
        </Text>
      ))}
      <Text wrap="truncate">
        {(["good", "busy", "bad", "waiting"] as const).map((health) => (
          <Text key={health}>
            <Text {...theme.health[health]}>{signs[health]}</Text>
            {` ${meanings[health]}   `}
          </Text>
        ))}
      </Text>
      <Text {...theme.dim} wrap="truncate">
        devloop {version}
      </Text>
    </Box>
  );
}
