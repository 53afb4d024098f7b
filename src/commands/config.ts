import { describeConfig, publicConfig } from "../config/describe.js";
import { loadConfig } from "../config/load.js";

export interface ConfigCommandOptions {
  readonly cwd: string;
  readonly file?: string | undefined;
  readonly profiles: readonly string[];
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly context?: string | undefined;
}

/**
 * `devloop config`: prints the merged configuration with what set each value, secrets hidden.
 * Resolves with the exit code; throws what loadConfig throws.
 */
export async function configCommand({ json, ...options }: ConfigCommandOptions): Promise<number> {
  const loaded = await loadConfig(options);
  if (json) {
    const { file, profiles, origins } = loaded;
    const shown = { file, profiles, config: publicConfig(loaded), origins: Object.fromEntries(origins) };
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  } else {
    process.stdout.write(describeConfig(loaded));
  }
  return 0;
}
