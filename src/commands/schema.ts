import { devloopJsonSchema } from "../config/json-schema.js";

/** `devloop schema`: prints the JSON Schema of devloop.yaml. Resolves with the exit code. */
export function schemaCommand(): Promise<number> {
  process.stdout.write(`${JSON.stringify(devloopJsonSchema(), null, 2)}\n`);
  return Promise.resolve(0);
}
