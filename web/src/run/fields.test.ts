// @vitest-environment node
import { describe, expect, it } from "vitest"

import { draftOf, fieldsOfInputs, fieldsOfSchema, jsonOrText, read } from "./fields"

const INPUTS = {
  inputs: [
    { name: "message", type: "string", default: "Hi", description: "What is said." },
    { name: "times", type: "integer" },
    { name: "loud", type: "boolean", required: false },
    { name: "tags", type: "array", required: false },
    { name: "extra", type: "any", required: false },
  ],
}

describe("a start node's inputs", () => {
  const fields = fieldsOfInputs(INPUTS) ?? []

  it("become fields of their kinds", () => {
    expect(fields.map((one) => [one.kind, one.required])).toEqual([
      ["long", false],
      ["integer", true],
      ["boolean", false],
      ["json", false],
      ["json", false],
    ])
    expect(fieldsOfInputs({ name: "Start" })).toBeNull()
  })

  it("show their defaults, or what was given before", () => {
    expect(draftOf(fields, null)).toEqual({
      message: "Hi",
      times: "",
      loud: false,
      tags: "",
      extra: "",
    })
    expect(draftOf(fields, { times: 3, tags: ["a"] })).toMatchObject({
      times: "3",
      tags: '[\n  "a"\n]',
    })
  })

  it("are read into typed values, and what is empty is left out", () => {
    const draft = { message: "", times: "3", loud: true, tags: '["a"]', extra: "" }
    expect(read(fields, draft)).toEqual({
      values: { times: 3, loud: true, tags: ["a"] },
      errors: {},
    })
  })

  it("say what is wrong with each", () => {
    const { errors } = read(fields, { times: "3.5", tags: "{}", extra: "{" })
    expect(errors.times).toContain("whole number")
    expect(errors.tags).toContain("list")
    expect(errors.extra).toContain("no JSON")
    expect(read(fields, {}).errors).toEqual({ times: "This is needed." })
  })
})

describe("a JSON Schema", () => {
  it("becomes fields; choices keep their types", () => {
    const fields =
      fieldsOfSchema({
        type: "object",
        required: ["level"],
        properties: {
          level: { enum: [1, 2, "max"], title: "Level", default: 2 },
          text: { type: "string", maxLength: 5000 },
        },
      }) ?? []
    expect(fields.map((one) => [one.label, one.kind, one.required])).toEqual([
      ["Level", "choice", true],
      ["text", "long", false],
    ])
    const draft = draftOf(fields, null)
    expect(read(fields, draft).values).toEqual({ level: 2 })
    expect(read(fields, { ...draft, level: '"max"' }).values).toEqual({ level: "max" })
    expect(fieldsOfSchema({ type: "string" })).toBeNull()
  })
})

it("takes text where it is no JSON", () => {
  expect(jsonOrText('{"a": 1}')).toEqual({ a: 1 })
  expect(jsonOrText("hello")).toBe("hello")
  expect(jsonOrText(" ")).toBeNull()
})
