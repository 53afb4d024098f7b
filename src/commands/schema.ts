import { devloopJsonSchema } from "../config/json-schema.js";
import { controlJsonSchema } from "../control/json-schema.js";
import { eventsJsonSchema } from "../output/event-schema.js";

const schemas = { config: devloopJsonSchema, events: eventsJsonSchema, control: controlJsonSchema };

/** `devloop schema`: prints the JSON Schema of devloop.yaml, of `--output json`'s events, or of a loop's socket. */
export function schemaCommand(of: keyof typeof schemas): number {
  process.stdout.write(`${JSON.stringify(schemas[of](), null, 2)}\n`);
  return 0;
}
