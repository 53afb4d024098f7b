/** Everything that a key or the palette can ask for. */
export type ActionId =
  | "rebuild"
  | "rebuild-all"
  | "restart"
  | "pause"
  | "sync"
  | "focus"
  | "open"
  | "shell"
  | "describe"
  | "bundle"
  | "all-logs"
  | "filter"
  | "search"
  | "next"
  | "previous"
  | "level"
  | "wrap"
  | "times"
  | "raw"
  | "fields"
  | "container"
  | "previous-run"
  | "save"
  | "copy"
  | "full"
  | "back"
  | "palette"
  | "mouse"
  | "help"
  | "quit";

export interface Action {
  readonly id: ActionId;
  /** As they are shown, and as `keyOf` names them. */
  readonly keys: readonly string[];
  /** In the palette and the footer. */
  readonly name: string;
  readonly about: string;
  readonly group: "loop" | "row" | "logs" | "screen";
}

/** In the order of the help page. */
export const actions: readonly Action[] = [
  {
    id: "rebuild",
    keys: ["r"],
    name: "rebuild",
    about: "rebuild the selected image (a deploy is applied again)",
    group: "row",
  },
  {
    id: "restart",
    keys: ["x"],
    name: "restart",
    about: "start the selected workload's processes anew",
    group: "row",
  },
  {
    id: "sync",
    keys: ["S"],
    name: "sync on/off",
    about: "switch the sync of the selected image off and on: edits wait meanwhile",
    group: "row",
  },
  {
    id: "focus",
    keys: ["F"],
    name: "focus",
    about: "only the selected row's images follow edits; again: all",
    group: "row",
  },
  {
    id: "open",
    keys: ["o"],
    name: "open",
    about: "open the selected row's address in the browser",
    group: "row",
  },
  {
    id: "shell",
    keys: ["!"],
    name: "shell",
    about: "a shell in the selected workload's container",
    group: "row",
  },
  {
    id: "describe",
    keys: ["d"],
    name: "describe",
    about: "what the cluster knows of the selected workload",
    group: "row",
  },
  { id: "rebuild-all", keys: ["R"], name: "rebuild everything", about: "rebuild everything", group: "loop" },
  {
    id: "pause",
    keys: ["p"],
    name: "pause or go on",
    about: "pause and go on: changes are noticed meanwhile",
    group: "loop",
  },
  {
    id: "bundle",
    keys: ["D"],
    name: "debug bundle",
    about: "write what is needed to look into a problem, without secrets",
    group: "loop",
  },
  {
    id: "quit",
    keys: ["q"],
    name: "quit",
    about: "quit: what is deployed stays (devloop down removes it)",
    group: "loop",
  },
  {
    id: "all-logs",
    keys: ["a"],
    name: "all logs",
    about: "the logs of everything, and back to the row",
    group: "logs",
  },
  { id: "search", keys: ["/"], name: "search", about: "search; /…/ is a regular expression", group: "logs" },
  { id: "next", keys: ["n"], name: "next hit", about: "the next hit, downwards", group: "logs" },
  { id: "previous", keys: ["N"], name: "previous hit", about: "the hit before, upwards", group: "logs" },
  {
    id: "filter",
    keys: ["f"],
    name: "filter",
    about: "only lines with a text, or that a /…/ matches",
    group: "logs",
  },
  {
    id: "level",
    keys: ["e"],
    name: "level",
    about: "all lines, warnings and errors, errors alone",
    group: "logs",
  },
  {
    id: "container",
    keys: ["c"],
    name: "container",
    about: "one container after the other, then all",
    group: "logs",
  },
  {
    id: "previous-run",
    keys: ["P"],
    name: "before the restart",
    about: "what the selected workload printed before its last restart, and back",
    group: "logs",
  },
  { id: "wrap", keys: ["w"], name: "wrap", about: "wrap long lines or cut them", group: "logs" },
  { id: "times", keys: ["t"], name: "times", about: "times of the lines", group: "logs" },
  { id: "raw", keys: ["J"], name: "json", about: "JSON lines as they are, or readable", group: "logs" },
  {
    id: "fields",
    keys: ["K"],
    name: "json fields",
    about: "which fields of JSON lines are shown",
    group: "logs",
  },
  { id: "save", keys: ["s"], name: "save", about: "save the lines to a file", group: "logs" },
  { id: "copy", keys: ["y"], name: "copy", about: "copy what is on the screen", group: "logs" },
  { id: "full", keys: ["enter"], name: "full", about: "the lower part alone, and back", group: "screen" },
  {
    id: "back",
    keys: ["esc"],
    name: "back",
    about: "back; at last what matters by itself: the first failure, else all logs",
    group: "screen",
  },
  {
    id: "palette",
    keys: [":", "ctrl-k"],
    name: "commands",
    about: "find a command or a row by its name",
    group: "screen",
  },
  {
    id: "mouse",
    keys: ["m"],
    name: "mouse",
    about: "wheel and clicks on or off; off, the terminal selects text",
    group: "screen",
  },
  { id: "help", keys: ["?"], name: "help", about: "this page", group: "screen" },
];

/** Keys that move, for the help page. */
export const movements: readonly (readonly [keys: string, about: string])[] = [
  ["j k ↑ ↓", "select a row; in the full view, scroll"],
  ["g G", "the first and the last row; in the full view, the oldest and the newest line"],
  ["ctrl-u ctrl-d", "scroll half a page (also page up and down)"],
  ["h l ← →", "look at long lines sideways, where they are cut"],
  ["tab 1-6", "the next tab, a tab by its number"],
];

export const actionOfKey: ReadonlyMap<string, ActionId> = new Map(
  actions.flatMap(({ id, keys }) => keys.map((key) => [key, id] as const)),
);
