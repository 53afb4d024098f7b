import type { z } from "zod";

export type Schema = z.core.$ZodType;
/** What a value can be, in the words of messages. */
export type Kind = "text" | "number" | "boolean" | "map" | "list";

/** The schema of a map's key or a list's item; undefined where the schema knows no such place. */
export function childSchema(schema: Schema | undefined, key: string | number): Schema | undefined {
  for (const option of alternatives(schema)) {
    const { def } = option._zod;
    if (def.type === "object" && typeof key === "string" && Object.hasOwn(def.shape, key)) {
      return def.shape[key];
    }
    if (def.type === "record" && typeof key === "string") return def.valueType;
    if (def.type === "array" && typeof key === "number") return def.element;
  }
  return undefined;
}

/** The keys that a map of this schema may have; empty where any key goes. */
export function validKeys(schema: Schema | undefined): readonly string[] {
  return alternatives(schema).flatMap(({ _zod: { def } }) =>
    def.type === "object" ? Object.keys(def.shape) : [],
  );
}

/** The kinds of value that the schema takes; empty without a schema. */
export function acceptedKinds(schema: Schema | undefined): ReadonlySet<Kind> {
  return new Set(alternatives(schema).flatMap((option) => kindOf(option) ?? []));
}

/** Whether the key may be left out. */
export function isOptional(schema: Schema | undefined): boolean {
  return schema?._zod.optin !== undefined;
}

function kindOf(schema: z.core.$ZodTypes): Kind | undefined {
  const { def } = schema._zod;
  switch (def.type) {
    case "string":
    case "enum":
      return "text";
    case "number":
      return "number";
    case "literal":
      return typeof def.values[0] === "boolean" ? "boolean" : "number";
    case "boolean":
      return "boolean";
    case "object":
    case "record":
      return "map";
    case "array":
      return "list";
    default:
      return undefined;
  }
}

/** The schema without its wrappers (optional, default, transform), a union as its options. */
function alternatives(schema: Schema | undefined): readonly z.core.$ZodTypes[] {
  if (schema === undefined) return [];
  // Every schema that zod makes is one of this union; the base class only hides it.
  const known = schema as z.core.$ZodTypes;
  const { def } = known._zod;
  switch (def.type) {
    case "optional":
    case "default":
    case "prefault":
      return alternatives(def.innerType);
    case "pipe":
      return alternatives(def.in);
    case "union":
      return def.options.flatMap(alternatives);
    default:
      return [known];
  }
}
