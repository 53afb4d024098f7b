import { useEffect, useRef } from "react";
import type { LoopSummary } from "../engine/phase.js";

/** How a failure makes itself heard: not at all, by the terminal's bell, or by a notification of the desktop. */
export type Alarm =
  { readonly kind: "off" } | { readonly kind: "bell" } | { readonly kind: "desktop"; readonly code: 9 | 777 };

/** Rings once when the loop turns bad, and again only after it was something else. */
export function useAlarm(
  { health, text }: LoopSummary,
  {
    alarm,
    project,
    send,
  }: { readonly alarm: Alarm; readonly project: string; readonly send: (bytes: string) => void },
): void {
  const before = useRef(health);
  useEffect(() => {
    if (health === "bad" && before.current !== "bad") send(alarmBytes(alarm, { project, text }));
    before.current = health;
  }, [health, text, alarm, project, send]);
}

/** https://wezterm.org/escape-sequences.html: OSC 9 of iTerm and others, OSC 777 of rxvt, foot and VTE. */
export function alarmBytes(
  alarm: Alarm,
  { project, text }: { readonly project: string; readonly text: string },
): string {
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f;]/g, " ");
  switch (alarm.kind) {
    case "off":
      return "";
    case "bell":
      return "\u0007";
    case "desktop":
      return alarm.code === 9
        ? `\u001b]9;devloop ${project}: ${plain}\u0007`
        : `\u001b]777;notify;devloop ${project};${plain}\u0007`;
  }
}

/** The one of the two sequences that the terminal knows: with both, some would tell twice. */
export function desktopAlarm(env: Readonly<Record<string, string | undefined>>): Alarm {
  const usesNotify = env["VTE_VERSION"] !== undefined || /^(rxvt|foot)/.test(env["TERM"] ?? "");
  return { kind: "desktop", code: usesNotify ? 777 : 9 };
}
