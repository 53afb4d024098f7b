import { actions, movements } from "./actions.js";
import { line, span, type Line } from "./line.js";
import { fit } from "./text.js";
import { signs } from "./theme.js";

const meanings = { good: "well", busy: "at work", bad: "failed", waiting: "waits" } as const;

/** All keys and signs. */
export function helpLines(version: string): readonly Line[] {
  const key = (keys: string, about: string): Line => [span(`  ${fit(keys, 14)}`, "key"), span(` ${about}`)];
  const group = (title: string, name: string): readonly Line[] => [
    line(title, "dim"),
    ...actions.filter((action) => action.group === name).map(({ keys, about }) => key(keys.join(" "), about)),
  ];
  return [
    line("MOVE", "dim"),
    ...movements.map(([keys, about]) => key(keys, about)),
    ...group("THE SELECTED ROW", "row"),
    ...group("THE LOOP", "loop"),
    ...group("LOGS", "logs"),
    ...group("THE SCREEN", "screen"),
    line("SIGNS", "dim"),
    [
      span("  "),
      ...(["good", "busy", "bad", "waiting"] as const).flatMap((health) => [
        span(signs[health], health),
        span(` ${meanings[health]}   `),
      ]),
    ],
    line(`  devloop ${version}`, "dim"),
  ];
}
