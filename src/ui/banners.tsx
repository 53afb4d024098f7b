import { Box, Text } from "ink";
import type { State } from "../engine/model.js";
import type { Failure } from "../lib/errors.js";
import { useTheme } from "./theme.js";

/** Lines of the screen that one banner takes. */
const bannerHeight = 2;

/** What is wrong with the loop itself, not with one image or workload: the config, the engine, the cluster. */
export function bannersOf(state: State): readonly Failure[] {
  const services = Object.values(state.services).flatMap((service) =>
    service.status === "down" ? [service.failure] : [],
  );
  return [...(state.configFailure ? [state.configFailure] : []), ...services];
}

/** Height of the banners on a screen of so many lines: there is always room left for the table. */
export function bannersHeight(banners: readonly Failure[], lines: number): number {
  return bannerHeight * Math.min(banners.length, lines < 20 ? 1 : 3);
}

export function Banners({
  banners,
  height,
}: {
  readonly banners: readonly Failure[];
  readonly height: number;
}) {
  const { bad, hint } = useTheme();
  return (
    <Box flexDirection="column" flexShrink={0} height={height}>
      {banners.slice(0, height / bannerHeight).map((failure) => (
        <Box key={failure.message} height={bannerHeight} flexShrink={0} overflow="hidden">
          <Text wrap="wrap">
            <Text {...bad}>{`✗ ${failure.message}`}</Text>
            {failure.hint === undefined ? "" : <Text {...hint}>{`  → ${failure.hint}`}</Text>}
          </Text>
        </Box>
      ))}
    </Box>
  );
}
