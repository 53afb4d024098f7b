import { devloopJsonSchema } from "../config/json-schema.js";
import { eventsJsonSchema } from "../output/event-schema.js";

/** `devloop schema`: prints the JSON Schema of devloop.yaml, or of the events that `--output json` prints. */
export function schemaCommand({ events }: { readonly events: boolean }): number {
  process.stdout.write(`${JSON.stringify(events ? eventsJsonSchema() : devloopJsonSchema(), null, 2)}\n`);
  return 0;
}
