/** Forms of values: from a start node's typed `inputs`, and from a JSON Schema of an object. */

import { objectOf, textOf } from "../live/events"

export type Kind = "text" | "long" | "number" | "integer" | "boolean" | "choice" | "json"

export interface FieldSpec {
  name: string
  label: string
  hint: string
  kind: Kind
  required: boolean
  initial: unknown
  choices: readonly unknown[]
  /** Of JSON: what kind it has to be. */
  json: "object" | "array" | "any"
}

/** What is in the controls: text, or whether a box is ticked. */
export type Draft = Record<string, string | boolean>

const KINDS: Record<string, Kind> = {
  string: "text",
  number: "number",
  integer: "integer",
  boolean: "boolean",
}
const LONG_FROM = 200
const LONG_NAMES = /message|text|prompt|question|description|body|mail|content|comment/i

const jsonKind = (type: unknown) => (type === "object" || type === "array" ? type : "any")

/** What a start node's `config` asks for; null where it declares nothing, and takes anything. */
export function fieldsOfInputs(config: unknown): FieldSpec[] | null {
  const inputs = objectOf(config).inputs
  if (!Array.isArray(inputs) || inputs.length === 0) return null
  return inputs.map((one) => {
    const { name, type, required, description, ...rest } = objectOf(one)
    const kind = KINDS[textOf(type) ?? ""] ?? "json"
    const label = textOf(name) ?? ""
    const initial = rest.default ?? undefined
    return {
      name: label,
      label,
      hint: textOf(description) ?? "",
      kind: kind === "text" && isLong(label, initial) ? "long" : kind,
      required: required !== false && initial === undefined,
      initial,
      choices: [],
      json: jsonKind(type),
    }
  })
}

/** The properties of a JSON Schema; null where it describes no object with properties. */
export function fieldsOfSchema(schema: unknown): FieldSpec[] | null {
  const { properties, required } = objectOf(schema)
  const named = Object.entries(objectOf(properties))
  if (named.length === 0) return null
  const needed = new Set(Array.isArray(required) ? required.map(String) : [])
  return named.map(([name, one]) => {
    const { title, description, type, maxLength, ...rest } = objectOf(one)
    const choices = Array.isArray(rest.enum) ? (rest.enum as unknown[]) : []
    const kind = choices.length > 0 ? "choice" : (KINDS[textOf(type) ?? ""] ?? "json")
    const isBig = typeof maxLength === "number" && maxLength > LONG_FROM
    return {
      name,
      label: textOf(title) ?? name,
      hint: textOf(description) ?? "",
      kind: kind === "text" && (isBig || isLong(name, rest.default)) ? "long" : kind,
      required: needed.has(name),
      initial: rest.default,
      choices,
      json: jsonKind(type),
    }
  })
}

function isLong(name: string, initial: unknown): boolean {
  return LONG_NAMES.test(name) || (typeof initial === "string" && initial.length > 60)
}

/** What the controls show at first: `given`, else the defaults. */
export function draftOf(fields: readonly FieldSpec[], given: unknown): Draft {
  const values = objectOf(given)
  return Object.fromEntries(
    fields.map((field): [string, string | boolean] => {
      const value = field.name in values ? values[field.name] : field.initial
      if (field.kind === "boolean") return [field.name, value === true]
      if (value === undefined || value === null) return [field.name, ""]
      if (field.kind === "json" || field.kind === "choice")
        return [field.name, JSON.stringify(value, null, field.kind === "json" ? 2 : undefined)]
      return [field.name, typeof value === "string" ? value : JSON.stringify(value)]
    }),
  )
}

export interface Read {
  values: Record<string, unknown>
  /** By field: what is wrong with it. */
  errors: Record<string, string>
}

/** What the controls say. What is left empty is left out, so that its default holds. */
export function read(fields: readonly FieldSpec[], draft: Draft): Read {
  const values: Record<string, unknown> = {}
  const errors: Record<string, string> = {}
  for (const field of fields) {
    const entered = draft[field.name] ?? ""
    if (typeof entered === "boolean") {
      values[field.name] = entered
      continue
    }
    if (entered.trim() === "") {
      if (field.required) errors[field.name] = "This is needed."
      continue
    }
    try {
      values[field.name] = parsed(field, entered)
    } catch (error) {
      errors[field.name] = (error as Error).message
    }
  }
  return { values, errors }
}

function parsed(field: FieldSpec, entered: string): unknown {
  switch (field.kind) {
    case "number":
    case "integer": {
      const value = Number(entered)
      if (!Number.isFinite(value)) throw new Error("This is no number.")
      if (field.kind === "integer" && !Number.isInteger(value))
        throw new Error("This has to be a whole number.")
      return value
    }
    case "choice":
      return JSON.parse(entered) as unknown
    case "json": {
      const value = parseJson(entered)
      if (field.json === "array" && !Array.isArray(value)) throw new Error("This has to be a list.")
      if (field.json === "object" && (Array.isArray(value) || typeof value !== "object"))
        throw new Error("This has to be an object.")
      return value
    }
    default:
      return entered
  }
}

/** JSON; throws with a message for people. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Error(`This is no JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** Any JSON, or, for what is none, the text itself: what may be asked of a single free field. */
export function jsonOrText(text: string): unknown {
  if (text.trim() === "") return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
