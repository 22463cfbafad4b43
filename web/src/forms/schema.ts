/** The part of JSON Schema that node types' configurations use (pydantic's). */
export interface Schema {
  type?: string
  title?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  discriminator?: { propertyName: string; mapping?: Record<string, string> }
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  $ref?: string
  $defs?: Record<string, Schema>
  "x-pilot"?: Written
}

/** What is written in a field's texts. */
export interface Written {
  text: "template" | "cel" | "python"
  secrets?: boolean
  iterates?: boolean
  payload?: boolean
}

export type Defs = Record<string, Schema>

/** A field as it is edited: references followed, and "or null" taken for "may be left out". */
export interface Resolved {
  schema: Schema
  nullable: boolean
}

export function resolve(given: Schema, defs: Defs): Resolved {
  const schema = follow(given, defs)
  const { anyOf, ...rest } = schema
  if (!anyOf) return { schema, nullable: schema.type === "null" }
  const kept = anyOf.filter((one) => one.type !== "null")
  const nullable = kept.length < anyOf.length
  const [only] = kept
  if (only !== undefined && kept.length === 1) {
    return { schema: { ...follow(only, defs), ...rest }, nullable }
  }
  return { schema: { ...rest, anyOf: kept.map((one) => follow(one, defs)) }, nullable }
}

function follow(schema: Schema, defs: Defs): Schema {
  const { $ref, ...rest } = schema
  if ($ref === undefined) return schema
  return { ...defs[$ref.replace("#/$defs/", "")], ...rest }
}

export type Kind =
  | "template"
  | "cel"
  | "python"
  | "choice"
  | "boolean"
  | "number"
  | "text"
  | "texts"
  | "objects"
  | "pairs"
  | "group"
  | "variants"
  | "fixed"
  | "json"

/** How a field is edited. */
export function kindOf(schema: Schema, defs: Defs): Kind {
  const written = schema["x-pilot"]?.text
  if (written === "cel" || written === "python") return written
  if (schema.const !== undefined) return "fixed"
  if (schema.oneOf && schema.discriminator) return "variants"
  if (schema.enum) return "choice"
  switch (schema.type) {
    case "boolean":
      return "boolean"
    case "number":
    case "integer":
      return "number"
    case "string":
      return written ?? "text"
    case "array": {
      const items = schema.items ? resolve(schema.items, defs).schema : {}
      if (items.properties) return "objects"
      return items.type === "string" || items.enum ? "texts" : "json"
    }
    case "object":
      if (schema.properties) return "group"
      return written === "template" ? "pairs" : "json"
    default:
      return byAlternatives(schema, written)
  }
}

function byAlternatives(schema: Schema, written: Written["text"] | undefined): Kind {
  const types = new Set(schema.anyOf?.map((one) => one.type))
  if (written === "template") return "template"
  if (types.has("string") && types.has("array") && types.size === 2) return "texts"
  return "json"
}

/** "max_tokens" and "Max Tokens" as "Max tokens". */
export function labelOf(name: string, schema: Schema): string {
  const words = (schema.title ?? name).replace(/_/g, " ").trim()
  const lower = words.toLowerCase()
  return (lower.charAt(0).toUpperCase() + lower.slice(1))
    .replace(/\burl\b/i, "URL")
    .replace(/\bapi\b/i, "API")
    .replace(/\bid\b/i, "id")
    .replace(/ s$/, " (seconds)")
    .replace(/ mb$/, " (MB)")
    .replace(/ kb$/, " (KB)")
}

/** A value that a new item of a list begins with. */
export function blank(schema: Schema, defs: Defs): unknown {
  const { schema: one } = resolve(schema, defs)
  if (one.default !== undefined) return one.default
  if (one.const !== undefined) return one.const
  if (one.enum) return one.enum[0]
  if (one.properties) {
    const names = one.required ?? []
    return Object.fromEntries(
      names.map((name) => [name, blank(one.properties?.[name] ?? {}, defs)]),
    )
  }
  if (one.type === "array") return []
  if (one.type === "object") return {}
  if (one.type === "number" || one.type === "integer") return one.minimum ?? 0
  return ""
}
