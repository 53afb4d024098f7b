import { z } from "zod";
import {
  errorAnswer,
  logLine,
  loopIdentity,
  missedLines,
  publicState,
  requests,
  snapshotLine,
} from "./protocol.js";

/** The JSON Schema of what the socket's public paths take and give: what schema/control.schema.json holds. */
export function controlJsonSchema(): object {
  const parts: Record<string, z.ZodType> = {
    loop: loopIdentity,
    state: publicState,
    snapshotLine,
    logLine,
    missedLines,
    error: errorAnswer,
  };
  for (const [name, schema] of Object.entries(requests)) parts[`${name}Request`] = schema;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "devloop control, version 1",
    description:
      "What the paths of a loop's socket take and give (docs/control.md). Pass over fields that you do not know.",
    $defs: {
      ...Object.fromEntries(
        Object.entries(parts).map(([name, schema]) => {
          const { $schema: _, ...rest } = z.toJSONSchema(schema);
          return [name, rest];
        }),
      ),
      eventLine: {
        description: "an event of --output json with its number: a field more than that schema has",
        type: "object",
        properties: {
          seq: { type: "integer" },
          v: { const: 1 },
          type: { type: "string" },
          time: { type: "string" },
        },
        required: ["seq", "v", "type", "time"],
      },
    },
  };
}
