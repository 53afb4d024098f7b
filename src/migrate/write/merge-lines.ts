/** Beyond this many pairs of lines two texts are not compared: the time it takes grows with the product. */
const mostPairs = 4_000_000;

/**
 * What two people made of one text, put together by lines; undefined where both changed the same lines, each in
 * another way.
 */
export function mergeLines(base: string, ours: string, theirs: string): string | undefined {
  const lines = [base, ours, theirs].map(linesOf) as [string[], string[], string[]];
  const [common, left, right] = lines;
  if (common.length * Math.max(left.length, right.length) > mostPairs) return undefined;
  const inLeft = matches(common, left);
  const inRight = matches(common, right);
  const result: string[] = [];
  let [from, fromLeft, fromRight] = [0, 0, 0];
  for (let line = 0; line <= common.length; line++) {
    const [toLeft, toRight] =
      line === common.length ? [left.length, right.length] : [inLeft[line], inRight[line]];
    if (toLeft === undefined || toRight === undefined) continue;
    const chunk = mergeChunk(
      common.slice(from, line),
      left.slice(fromLeft, toLeft),
      right.slice(fromRight, toRight),
    );
    if (chunk === undefined) return undefined;
    result.push(...chunk);
    if (line < common.length) result.push(common[line] ?? "");
    [from, fromLeft, fromRight] = [line + 1, toLeft + 1, toRight + 1];
  }
  return result.join("");
}

function mergeChunk(
  base: readonly string[],
  ours: readonly string[],
  theirs: readonly string[],
): readonly string[] | undefined {
  if (same(base, ours)) return theirs;
  if (same(base, theirs) || same(ours, theirs)) return ours;
  return undefined;
}

const same = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((line, index) => line === right[index]);

/** Lines with their ends, so that the last one's is kept as it is. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** For each line of `from`, the line of `to` that it stands for in a longest common sequence. */
function matches(from: readonly string[], to: readonly string[]): readonly (number | undefined)[] {
  const width = to.length + 1;
  const longest = new Uint32Array((from.length + 1) * width);
  const at = (row: number, column: number): number => longest[row * width + column] ?? 0;
  for (let row = from.length - 1; row >= 0; row--) {
    for (let column = to.length - 1; column >= 0; column--) {
      longest[row * width + column] =
        from[row] === to[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const found = new Array<number | undefined>(from.length).fill(undefined);
  for (let row = 0, column = 0; row < from.length && column < to.length;) {
    if (from[row] === to[column]) found[row++] = column++;
    else if (at(row + 1, column) >= at(row, column + 1)) row++;
    else column++;
  }
  return found;
}
