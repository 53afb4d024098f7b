import { z } from "zod";
import { fileSchema } from "./schema.js";

type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema of devloop.yaml for editors, draft 7 (what all of them read). It differs from the checked schema
 * where text is read more freely: `${VAR}` may stand for any value, an empty section for an empty map or list.
 */
export function devloopJsonSchema(): unknown {
  const schema = z.toJSONSchema(fileSchema, { target: "draft-7", io: "input" }) as JsonSchema;
  const { $schema, description, ...rest } = relax(schema, { inProfile: false });
  return { $schema, title: "devloop.yaml", description, ...rest };
}

interface Place {
  /** Inside a profile nothing is filled in: the defaults belong to the merged result. */
  readonly inProfile: boolean;
  /** The values of args, labels and set. */
  readonly mapOfText?: boolean;
}

function relax(schema: JsonSchema, place: Place): JsonSchema {
  const { properties, additionalProperties, items, anyOf, default: fallback, ...rest } = schema;
  const { maximum } = rest;
  // zod writes JavaScript's own limit of whole numbers; it says nothing to the reader.
  if (maximum === Number.MAX_SAFE_INTEGER) delete rest["maximum"];
  const result: JsonSchema = { ...rest };
  if (fallback !== undefined && !place.inProfile && !isEmpty(fallback)) result["default"] = fallback;
  if (isSchema(properties)) {
    result["properties"] = Object.fromEntries(
      Object.entries(properties as Record<string, JsonSchema>).map(([name, property]) => [
        name,
        relaxChild(property, { inProfile: place.inProfile || name === "profiles" }),
      ]),
    );
  }
  if (additionalProperties === false) result["additionalProperties"] = false;
  if (isSchema(additionalProperties)) {
    const mapOfText = additionalProperties["type"] === "string";
    result["additionalProperties"] = relaxChild(additionalProperties, { ...place, mapOfText });
  }
  if (isSchema(items)) result["items"] = relaxChild(items, place);
  if (Array.isArray(anyOf)) {
    result["anyOf"] = (anyOf as JsonSchema[]).map((option) => relaxChild(option, place));
  }
  return result;
}

const reference = { type: "string", pattern: "\\$\\{" };

function relaxChild(schema: JsonSchema, place: Place): JsonSchema {
  const relaxed = relax(schema, place);
  const { type } = relaxed;
  if (place.mapOfText === true) return { ...relaxed, type: ["string", "number", "boolean"] };
  if (type === "object" || type === "array") return { ...relaxed, type: [type, "null"] };
  const freeText = type === "string" && relaxed["pattern"] === undefined && relaxed["enum"] === undefined;
  if (type === undefined || freeText || relaxed["const"] !== undefined) return relaxed;
  const { description, default: fallback, ...constraints } = relaxed;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [constraints, reference],
  };
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}

function isEmpty(value: unknown): boolean {
  return isSchema(value) && Object.keys(value).length === 0;
}
