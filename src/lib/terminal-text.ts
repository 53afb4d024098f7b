/**
 * One line that a program printed, safe to write to a terminal: control sequences and control characters are taken
 * out, colours stay and end with the line (`color: false` takes them out too), tabs become spaces up to the next stop.
 */
export function terminalText(text: string, { color = true }: { color?: boolean } = {}): string {
  if (!unsafe.test(text)) return text;
  const safe = text.replace(sequences, (found) => (color && isColor.test(found) ? found : ""));
  const clean = expandTabs(safe).replace(color ? controlsButEscape : controls, "");
  return clean.includes("\u001b") && !clean.endsWith(reset) ? clean + reset : clean;
}

const reset = "\u001b[0m";

const unsafe = /[\u0000-\u001f\u007f-\u009f]/;
/** CSI sequences, OSC/DCS/APC/PM strings up to their end, and two-character escapes. */
const sequences =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|\u001b[ -/]*[0-Z\\^-~]/g;
const isColor = /^\u001b\[[\d;:]*m$/;
const controls = /[\u0000-\u001f\u007f-\u009f]/g;
/** All control characters, but an escape that begins a colour. */
const controlsButEscape = /[\u0000-\u001a\u001c-\u001f\u007f-\u009f]|\u001b(?!\[[\d;:]*m)/g;

function expandTabs(text: string): string {
  if (!text.includes("\t")) return text;
  const [first = "", ...rest] = text.split("\t");
  return rest.reduce((line, part) => line + " ".repeat(8 - (line.length % 8)) + part, first);
}
