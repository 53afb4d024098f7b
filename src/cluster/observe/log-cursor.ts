import type { StampedLine } from "./log-lines.js";

/**
 * Where the reading of one container's log has come to. `sinceTime` reaches the kubelet in whole seconds, so a resumed
 * stream starts with lines that were delivered before: exactly `count + before` of them, unless the log was rotated
 * meanwhile. Standard output and standard error are stamped apart and may be stored a little out of order: a stream is
 * resumed one second earlier than the last, so that a late line of that second is not passed over.
 */
export interface LogCursor {
  /** The latest second of which a line was delivered, since the epoch. */
  readonly second: number;
  /** How many lines of that second were delivered, and of the second before it. */
  readonly count: number;
  readonly before: number;
  /** The latest stamp delivered. */
  readonly stamp: string;
}

export function advance(cursor: LogCursor | undefined, line: StampedLine): LogCursor {
  const { second, stamp } = line;
  if (!cursor) return { second, count: 1, before: 0, stamp };
  if (second > cursor.second) {
    return { second, count: 1, before: second === cursor.second + 1 ? cursor.count : 0, stamp };
  }
  if (second === cursor.second) {
    return { ...cursor, count: cursor.count + 1, stamp: stamp > cursor.stamp ? stamp : cursor.stamp };
  }
  // An even earlier line is not sent again, so it is not counted.
  return second === cursor.second - 1 ? { ...cursor, before: cursor.before + 1 } : cursor;
}

/** `sinceTime` for a stream that goes on from here. */
export function sinceTime(cursor: LogCursor): string {
  return new Date((cursor.second - 1) * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** A filter for the lines of a stream opened with `sinceTime(cursor)`: false for those delivered before. */
export function skipDelivered(cursor: LogCursor): (line: StampedLine) => boolean {
  let left = cursor.count + cursor.before;
  return (line) => {
    // Beyond the latest stamp all is new: after a rotation the lines to skip are no longer there.
    if (left === 0 || line.second < cursor.second - 1 || line.stamp > cursor.stamp) return true;
    left -= 1;
    return false;
  };
}
