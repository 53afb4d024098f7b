export interface Difference {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/** More lines than this on both sides are not compared one by one: the table would be too large. */
const maxCells = 4_000_000;

/** The lines of two texts in one, in order, by their longest common subsequence. */
export function differences(before: readonly string[], after: readonly string[]): readonly Difference[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end += 1;
  const same = (text: string): Difference => ({ kind: "same", text });
  return [
    ...after.slice(0, start).map(same),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...after.slice(after.length - end).map(same),
  ];
}

function middle(before: readonly string[], after: readonly string[]): readonly Difference[] {
  const removed = (text: string): Difference => ({ kind: "removed", text });
  const added = (text: string): Difference => ({ kind: "added", text });
  if (before.length * after.length > maxCells) return [...before.map(removed), ...after.map(added)];
  // longest[i][j]: how many lines before[i…] and after[j…] have in common.
  const columns = after.length + 1;
  const longest = new Uint32Array((before.length + 1) * columns);
  const at = (i: number, j: number): number => longest[i * columns + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      longest[i * columns + j] =
        before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found: Difference[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const [old, next] = [before[i], after[j]];
    if (old !== undefined && old === next) {
      found.push({ kind: "same", text: old });
      i += 1;
      j += 1;
    } else if (old !== undefined && (next === undefined || at(i + 1, j) >= at(i, j + 1))) {
      found.push(removed(old));
      i += 1;
    } else if (next !== undefined) {
      found.push(added(next));
      j += 1;
    }
  }
  return found;
}
