import { Box, Text } from "ink";
import type { State } from "../engine/model.js";
import { age } from "../lib/format.js";
import type { LoopSummary } from "./loop-summary.js";
import { signs, useTheme } from "./theme.js";

/** The first line: whose loop this is, where it runs, and how it stands. */
export function Header(props: {
  readonly state: State;
  readonly summary: LoopSummary;
  readonly now: number;
  readonly columns: number;
}) {
  const { state, summary, now, columns } = props;
  const theme = useTheme();
  const { cluster, project } = state;
  const where = cluster
    ? [cluster.context, cluster.namespace]
    : [state.services.cluster.status === "down" ? "no cluster" : "connecting to the cluster"];
  const ago = summary.since === undefined ? "" : `, ${age(now - summary.since)} ago`;
  return (
    <Box justifyContent="space-between" columnGap={2} flexShrink={0} height={1}>
      <Box flexShrink={1} minWidth={0}>
        <Text wrap="truncate">
          <Text bold>devloop</Text> {project.name}
          {columns < 80 ? "" : <Text {...theme.dim}>{`  ${where.join(" / ")}`}</Text>}
        </Text>
      </Box>
      <Box flexShrink={0}>
        <Text wrap="truncate">
          <Text {...theme.health[summary.health]}>{`${signs[summary.health]} ${summary.text}`}</Text>
          <Text {...theme.dim}>{ago}</Text>
        </Text>
      </Box>
    </Box>
  );
}
