import type { TestTerminal } from "../ui/terminal.js";

const palette = ["#24292f", "#cf222e", "#1a7f37", "#9a6700", "#0969da", "#8250df", "#1b7c83", "#6e7781"];
const [cellWidth, cellHeight] = [8.4, 18];

/** What stands on a terminal, as a picture: each run of one look is a text of its own, so that nothing moves where fonts differ. */
export function svgOf({ model }: TestTerminal): string {
  const texts: string[] = [];
  for (let row = 0; row < model.rows; row += 1) {
    const line = model.buffer.active.getLine(row);
    let run = { text: "", at: 0, columns: 0, look: "" };
    const end = (): void => {
      if (run.text.trim() !== "")
        texts.push(
          `<text x="${(16 + run.at * cellWidth).toFixed(1)}" y="${32 + row * cellHeight}" textLength="${(run.columns * cellWidth).toFixed(1)}"${run.look}>${escaped(run.text)}</text>`,
        );
    };
    for (let column = 0; column < model.cols; column += 1) {
      const cell = line?.getCell(column);
      if (!cell || cell.getWidth() === 0) continue;
      const color = cell.isFgPalette() ? palette[cell.getFgColor() % 8] : palette[0];
      const look = `${cell.isInverse() ? ' fill="#bc4c00" text-decoration="underline"' : ` fill="${color ?? ""}"`}${cell.isBold() ? ' font-weight="bold"' : ""}${cell.isDim() ? ' opacity="0.6"' : ""}`;
      if (look !== run.look) {
        end();
        run = { text: "", at: column, columns: 0, look };
      }
      run.text += cell.getChars() || " ";
      run.columns += cell.getWidth();
    }
    end();
  }
  const [width, height] = [32 + model.cols * cellWidth, 32 + model.rows * cellHeight];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width.toFixed(0)} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<rect width="100%" height="100%" rx="8" fill="#ffffff" stroke="#d0d7de"/>
${texts.join("\n")}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
