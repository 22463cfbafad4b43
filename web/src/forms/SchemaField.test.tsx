import { render, screen } from "@testing-library/react"
import userEvent from "@testing-library/user-event"
import { useState } from "react"
import type { Issue } from "../api/problem"
import { FormContext } from "./context"
import { kindOf, labelOf, resolve, type Schema } from "./schema"
import { SchemaFields } from "./SchemaField"

const DEFS = { Case: { type: "object", properties: { handle: { type: "string" } } } }
const TEMPLATE = { text: "template" as const }

test.each<[Schema, string]>([
  [{ type: "string", enum: ["a"] }, "choice"],
  [{ type: "boolean" }, "boolean"],
  [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "number"],
  [{ type: "string" }, "text"],
  [{ anyOf: [{ type: "string" }, { type: "null" }], "x-pilot": TEMPLATE }, "template"],
  [{ type: "string", "x-pilot": { text: "cel" } }, "cel"],
  [{ type: "string", "x-pilot": { text: "python" } }, "python"],
  [{ "x-pilot": TEMPLATE }, "template"],
  [{ anyOf: [{ type: "string" }, { type: "number" }], "x-pilot": TEMPLATE }, "template"],
  [{ type: "object", additionalProperties: true, "x-pilot": TEMPLATE }, "pairs"],
  [{ type: "array", items: { $ref: "#/$defs/Case" } }, "objects"],
  [{ type: "array", items: { type: "string" } }, "texts"],
  [{ anyOf: [{ type: "string" }, { type: "array" }, { type: "null" }] }, "texts"],
  [{ $ref: "#/$defs/Case" }, "group"],
  [{ const: "python", type: "string" }, "fixed"],
  [{ type: "object", additionalProperties: true }, "json"],
  [{}, "json"],
])("%j is edited as %s", (schema, kind) => {
  expect(kindOf(resolve(schema, DEFS).schema, DEFS)).toBe(kind)
})

test.each([
  ["max_tokens", { title: "Max Tokens" }, "Max tokens"],
  ["time_s", { title: "Time S" }, "Time (seconds)"],
  ["url", { title: "Url" }, "URL"],
  ["body", {}, "Body"],
])("%s is called %o", (name, schema, label) => {
  expect(labelOf(name, schema)).toBe(label)
})

const SCHEMA: Schema = {
  properties: {
    model: { type: "string", title: "Model", default: "m", description: "Such as `a/b`." },
    temperature: { anyOf: [{ type: "number" }, { type: "null" }], title: "Temperature" },
    stream: { type: "boolean", title: "Stream", default: true },
    mode: { type: "string", enum: ["first", "all"], default: "first", title: "Mode" },
    cases: { type: "array", items: { $ref: "#/$defs/Case" }, title: "Cases" },
  },
}

function shown(value: Record<string, unknown>, issues: Issue[] = []) {
  const changed = vi.fn<(value: unknown) => void>()
  function Form() {
    const [config, setConfig] = useState<unknown>(value)
    return (
      <FormContext.Provider value={{ defs: DEFS, issues, names: () => ({}), choices: {} }}>
        <SchemaFields
          schema={SCHEMA}
          path="config"
          value={config}
          onChange={(next) => {
            setConfig(next)
            changed(next)
          }}
        />
      </FormContext.Provider>
    )
  }
  render(<Form />)
  return changed
}

test("fields change their own value, and one that is emptied goes", async () => {
  const changed = shown({ model: "x", name: "kept" })
  const user = userEvent.setup()
  await user.type(screen.getByLabelText("Temperature"), "0.5")
  expect(changed).toHaveBeenLastCalledWith({ model: "x", name: "kept", temperature: 0.5 })
  await user.clear(screen.getByLabelText("Model"))
  expect(changed).toHaveBeenLastCalledWith({ name: "kept", temperature: 0.5 })
  await user.click(screen.getByRole("switch", { name: "Stream" }))
  expect(changed).toHaveBeenLastCalledWith({ name: "kept", temperature: 0.5, stream: false })
  await user.selectOptions(screen.getByLabelText("Mode"), "all")
  expect(changed).toHaveBeenLastCalledWith({
    name: "kept",
    temperature: 0.5,
    stream: false,
    mode: "all",
  })
})

test("items of a list are added, filled and taken away", async () => {
  const changed = shown({})
  const user = userEvent.setup()
  await user.click(screen.getByRole("button", { name: "Add" }))
  await user.type(screen.getByLabelText("Handle"), "big")
  expect(changed).toHaveBeenLastCalledWith({ cases: [{ handle: "big" }] })
  await user.click(screen.getByRole("button", { name: "Remove Cases 1" }))
  expect(changed).toHaveBeenLastCalledWith({})
})

test("an issue stands at its field, and is read with it", () => {
  shown({ cases: [{ handle: "else" }] }, [
    {
      code: "invalid_handle",
      severity: "error",
      message: "the handle 'else' is reserved",
      field: "config.cases[0].handle",
    },
  ])
  expect(screen.getByLabelText("Handle")).toHaveAccessibleDescription(/is reserved/)
  expect(screen.getByLabelText("Handle")).toBeInvalid()
  expect(screen.getByLabelText("Model")).toHaveAccessibleDescription("Such as a/b.")
})
