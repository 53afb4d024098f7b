import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { cli, until } from "./devloop.js";

const run = promisify(execFile);

/** A shell in tmux: a terminal of which a test can ask what stands on it. */
export interface Terminal extends AsyncDisposable {
  type(keys: string): Promise<void>;
  /** A key by tmux's name for it. */
  press(key: string): Promise<void>;
  /** Waits until what stands on the screen is as told, and returns it. */
  see(matches: (screen: string) => boolean): Promise<string>;
  /** How many lines have left the screen at its top. */
  scrolled(): Promise<number>;
  /** How the last program has left it: its exit code, whether typing is echoed and comes by the line, and is to be seen. */
  state(): Promise<{ exitCode: number; echo: boolean; lines: boolean; cursor: boolean; alternate: boolean }>;
  /** Whether a program has taken the other buffer. */
  alternate(): Promise<boolean>;
  resize(columns: number, rows: number): Promise<void>;
}

/** A shell in a terminal of 100 columns and 30 lines; `$CLI` is the command. Disposing takes the terminal away. */
export async function openTerminal(cwd: string, env: Readonly<Record<string, string>>): Promise<Terminal> {
  const socket = `devloop-${randomUUID()}`;
  const outer: NodeJS.ProcessEnv = {
    ...process.env,
    ...env,
    CLI: cli,
    PS1: "$ ",
    XDG_STATE_HOME: `${cwd}/.state`,
  };
  // On a build server there would be no screen at all.
  delete outer["CI"];
  delete outer["CONTINUOUS_INTEGRATION"];
  const tmux = async (...args: string[]): Promise<string> =>
    (await run("tmux", ["-L", socket, "-f", "/dev/null", ...args], { cwd, env: outer })).stdout;
  await tmux("new-session", "-d", "-x", "100", "-y", "30", "sh");
  const read = (): Promise<string> => tmux("capture-pane", "-p");
  const type = async (keys: string): Promise<void> => {
    await tmux("send-keys", "-l", keys);
  };
  const alternate = async (): Promise<boolean> =>
    (await tmux("display", "-p", "#{alternate_on}")).trim() === "1";
  const see: Terminal["see"] = async (matches) => {
    let screen = "";
    try {
      await until(async () => matches((screen = await read())), "the screen");
    } catch (error) {
      throw new Error(`on the screen instead:\n${screen}`, { cause: error });
    }
    return screen;
  };
  return {
    type,
    see,
    press: async (key) => {
      await tmux("send-keys", key);
    },
    scrolled: async () => Number(await tmux("display", "-p", "#{history_size}")),
    alternate,
    resize: async (columns, rows) => {
      await tmux("resize-window", "-x", String(columns), "-y", String(rows));
    },
    async state() {
      await type("echo code=$? $(stty -a | tr -d '\\n')=end\n");
      const answer = (await see((text) => /code=\d+ [\s\S]*=end/.test(text))).replaceAll("\n", "");
      return {
        exitCode: Number(/code=(\d+)/.exec(answer)?.[1]),
        echo: / echo[ ;]/.test(answer),
        lines: / icanon[ ;]/.test(answer),
        alternate: await alternate(),
        cursor: (await tmux("display", "-p", "#{cursor_flag}")).trim() === "1",
      };
    },
    async [Symbol.asyncDispose]() {
      // It ends with the last program in it.
      await tmux("kill-server").catch(() => undefined);
    },
  };
}
