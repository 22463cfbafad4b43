import { TYPES } from "../testing/types"
import { handlesOf, storedHandle, strayHandles } from "./handles"

const node = (type: string, config: Record<string, unknown> = {}, more = {}) => ({
  id: "a",
  type,
  config,
  ...more,
})

test.each([
  ["llm", {}, ["default"]],
  ["output", {}, []],
  ["condition", { expression: "true" }, ["true", "false"]],
  ["condition", { cases: [{ handle: "big" }, { handle: "small" }] }, ["big", "small", "else"]],
  ["condition", { cases: null }, ["true", "false"]],
  ["switch", {}, ["else"]],
  ["switch", { cases: [{ handle: "x" }, { handle: "" }, null, { handle: "x" }] }, ["x", "else"]],
  ["wait", { duration: 5 }, ["default"]],
  ["wait", { signal: "go", timeout: "PT1H" }, ["default", "timeout"]],
  ["wait", { signal: "go", timeout: "PT1H", on_timeout: "fail" }, ["default"]],
  ["approval", { title: "?" }, ["approved", "rejected"]],
  ["approval", { on_reject: "fail", timeout: 60 }, ["approved", "timeout"]],
  ["of_a_plugin_that_is_gone", {}, ["default"]],
])("a %s node with %j has %j", (type, config, handles) => {
  expect(handlesOf(node(type, config), TYPES)).toEqual(handles)
})

test("a node that branches on failure has one more, once", () => {
  expect(handlesOf(node("llm", {}, { on_error: "branch" }), TYPES)).toEqual(["default", "error"])
  expect(handlesOf(node("output", {}, { on_error: "branch" }), TYPES)).toEqual(["error"])
  const named = { cases: [{ handle: "error" }] }
  expect(handlesOf(node("switch", named, { on_error: "branch" }), TYPES)).toEqual(["error", "else"])
})

test("edges that leave by no handle of the node are found", () => {
  const edges = [
    { source: "a", target: "b", source_handle: "true" },
    { source: "a", target: "c", source_handle: "gone" },
    { source: "a", target: "d" },
    { source: "b", target: "d", source_handle: "other" },
  ]
  expect(strayHandles("a", ["true", "false"], edges)).toEqual(["gone", "default"])
})

test("the default handle is not written", () => {
  expect([storedHandle("default"), storedHandle(null), storedHandle("true")]).toEqual([
    undefined,
    undefined,
    "true",
  ])
})
