import type { Graph } from "./model"
import { namesInScope, type Name, type Names } from "./names"

const BODY = {
  nodes: [
    { id: "inner", type: "code", config: {} },
    { id: "last", type: "output", config: {} },
  ],
  edges: [{ source: "inner", target: "last" }],
}
const ROOT: Graph = {
  nodes: [
    { id: "start", type: "start", config: { inputs: [{ name: "text", type: "string" }] } },
    { id: "set", type: "variable", config: { assignments: { greeting: "hi" } } },
    { id: "fetch", type: "http", pinned: { output: { hits: [{ id: 1 }], total: 2 } } },
    { id: "each", type: "map", config: { body: BODY } },
    { id: "aside", type: "llm", config: {} },
    { id: "hook", type: "wait", config: { webhook: true } },
  ],
  edges: [
    { source: "start", target: "set" },
    { source: "set", target: "fetch" },
    { source: "fetch", target: "each" },
    { source: "start", target: "aside" },
  ],
}

const names = (id: string, path: string[] = [], allowed = {}): Names =>
  namesInScope({ root: ROOT, path, id }, allowed, ["API_KEY"])
const below = (name: Name | undefined) => Object.keys(name?.children ?? {}).sort()

test("what is upstream is in scope, and nothing else", () => {
  expect(below(names("each").nodes)).toEqual(["fetch", "set", "start"])
  expect(below(names("aside").nodes)).toEqual(["start"])
  expect(below(names("start").nodes)).toEqual([])
})

test("variables are, below the node that sets them", () => {
  expect(below(names("fetch").vars)).toEqual(["greeting"])
  expect(below(names("aside").vars)).toEqual([])
})

test("outputs have the fields that are known of them", () => {
  const each = names("each")
  expect(below(each.nodes?.children?.fetch?.children?.output)).toEqual(["hits", "total"])
  expect(below(each.nodes?.children?.start?.children?.output)).toEqual(["text"])
  expect(below(each.input)).toEqual(["hits", "total"])
  expect(below(each.execution?.children?.input)).toEqual(["text"])
})

test("a body sees what is around it, and its item", () => {
  const last = names("last", ["each"])
  expect(below(last.nodes)).toEqual(["fetch", "inner", "set", "start"])
  expect(last).toHaveProperty("item")
  expect(below(last.vars)).toEqual(["greeting"])
  expect(names("each")).not.toHaveProperty("item")
  expect(names("each", [], { iterates: true })).toHaveProperty("index")
})

test("secrets and addresses only where they may stand", () => {
  expect(names("each")).not.toHaveProperty("secrets")
  const allowed = names("each", [], { secrets: true })
  expect(below(allowed.secrets)).toEqual(["API_KEY"])
  expect(below(allowed.hooks)).toEqual(["hook"])
  expect(names("each", [], { payload: true })).toHaveProperty("payload")
})

test("with several parents the input is a map of them", () => {
  const root = { ...ROOT, edges: [...ROOT.edges, { source: "aside", target: "each" }] }
  const { input } = namesInScope({ root, path: [], id: "each" }, {}, [])
  expect(below(input)).toEqual(["aside", "fetch"])
})

test("a circle, which is an issue, ends too", () => {
  const edges = [...ROOT.edges, { source: "each", target: "set" }]
  const found = namesInScope({ root: { ...ROOT, edges }, path: [], id: "each" }, {}, [])
  expect(below(found.nodes)).toEqual(["fetch", "set", "start"])
})
