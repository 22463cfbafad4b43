import type { Names } from "../graph/names"
import { completionsFor } from "./completion"
import { expressionAt, slots } from "./template"

const NAMES: Names = {
  input: { children: { text: {} } },
  nodes: {
    children: {
      ask: { children: { output: { children: { title: {} } }, meta: {} } },
      "node-1": { children: { output: {}, meta: {} } },
    },
  },
  vars: { children: { greeting: {} } },
}

function offered(text: string, explicit = false) {
  const found = completionsFor(text, text.length, explicit, NAMES)
  return found && { from: found.from, labels: found.options.map((one) => one.label) }
}

test("names come first, then functions", () => {
  const found = offered("1 + ")
  expect(found?.labels.slice(0, 3)).toEqual(["input", "nodes", "vars"])
  expect(found?.labels).toContain("json.decode")
  expect(offered("in")?.from).toBe(0)
})

test("behind a dot it is what is below", () => {
  expect(offered("nodes.")?.labels).toEqual(["ask", "node-1"])
  expect(offered("nodes.a")?.from).toBe(6)
  expect(offered("nodes.ask.")?.labels).toEqual(["output", "meta"])
  expect(offered("size(nodes.ask.output.")?.labels[0]).toBe("title")
  expect(offered('nodes["node-1"].')?.labels).toEqual(["output", "meta"])
  expect(offered("nodes.`node-1`.")?.labels).toEqual(["output", "meta"])
  expect(offered("nodes.ask.?")?.labels).toEqual(["output", "meta"])
})

test("a value has methods", () => {
  expect(offered("input.text.")?.labels).toContain("startsWith")
  expect(offered("vars.greeting.t")?.labels).toContain("trim")
})

test("an id that is no plain name is quoted", () => {
  const found = completionsFor("nodes.", 6, false, NAMES)
  expect(found?.options.find((one) => one.label === "node-1")?.apply).toBe("`node-1`")
})

test("nothing is offered in a string", () => {
  expect(offered('"hello in')).toBeNull()
  expect(offered('input == "a\\" nodes.')).toBeNull()
  expect(offered('"a" + ')).not.toBeNull()
})

test("expressions of a template are found as the API finds them", () => {
  const found = (text: string) => slots(text).map((slot) => text.slice(slot.from, slot.to))
  expect(found("Hi {input}, {{no}} and { {'a': 1}.a }!")).toEqual(["{input}", "{ {'a': 1}.a }"])
  expect(found('{input == "}" ? 1 : 2}x')).toEqual(['{input == "}" ? 1 : 2}'])
  expect(slots("open {input.")).toEqual([{ from: 5, to: 12, closed: false }])
})

test("the cursor is in an expression or in plain text", () => {
  expect(expressionAt("Hi {nodes.a")).toBe("nodes.a")
  expect(expressionAt("Hi {input} th")).toBeNull()
  expect(expressionAt("JSON {{nodes")).toBeNull()
})
