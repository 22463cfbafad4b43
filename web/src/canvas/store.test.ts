import type { Issue } from "../api/problem"
import { graphAt } from "../graph/model"
import { TYPES } from "../testing/types"
import { toFlow } from "./flow"
import { createCanvas, type Doc } from "./store"

const DOC: Doc = {
  name: "A workflow",
  description: "",
  timeout_s: null,
  max_parallel: null,
  nodes: [
    { id: "start", type: "start", position: { x: 0, y: 0 }, width: 220, data: { mine: 1 } },
    { id: "ask", type: "llm", position: { x: 300, y: 0 }, config: { model: "m" } },
    {
      id: "each",
      type: "map",
      position: { x: 600, y: 0 },
      config: { body: { nodes: [], edges: [] } },
    },
  ],
  edges: [{ source: "start", target: "ask", id: "e1", animated: true }],
}

const made = () => createCanvas(TYPES, DOC)
const ids = (canvas: ReturnType<typeof made>) => canvas.getState().doc.nodes.map((node) => node.id)

const issue = (node_id: string, severity: Issue["severity"], container?: string): Issue => ({
  code: "x",
  message: "x",
  severity,
  node_id,
  ...(container === undefined ? {} : { container }),
})

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test("what is not understood is kept through every change", () => {
  const canvas = made()
  canvas.getState().onNodesChange([{ type: "position", id: "start", position: { x: 7.4, y: 8 } }])
  canvas.getState().update("ask", (node) => ({ ...node, config: { ...node.config, seed: 1 } }))
  const [start, ask] = canvas.getState().doc.nodes
  expect(start).toEqual({ ...DOC.nodes[0], position: { x: 7, y: 8 } })
  expect(ask).toEqual({ ...DOC.nodes[1], config: { model: "m", seed: 1 } })
  expect(canvas.getState().doc.edges).toEqual(DOC.edges)
})

test("undo and redo go back and forth, and a new change forgets what was undone", () => {
  const canvas = made()
  canvas.getState().add("code", { x: 0, y: 0 })
  canvas.getState().remove(["ask"])
  expect(ids(canvas)).toEqual(["start", "each", "code"])
  expect(canvas.getState().doc.edges).toEqual([])
  canvas.getState().undo()
  expect(ids(canvas)).toEqual(["start", "ask", "each", "code"])
  expect(canvas.getState().doc.edges).toEqual(DOC.edges)
  canvas.getState().undo()
  expect(canvas.getState().doc).toBe(DOC)
  canvas.getState().undo()
  expect(canvas.getState().doc).toBe(DOC)
  canvas.getState().redo()
  expect(ids(canvas)).toContain("code")
  canvas.getState().add("llm", { x: 0, y: 0 })
  canvas.getState().redo()
  expect(ids(canvas)).toEqual(["start", "ask", "each", "code", "llm"])
})

test("typing in one field is one step, another field or a pause begins the next", () => {
  const canvas = made()
  const type = (model: string, key = "config") =>
    canvas.getState().update("ask", (node) => ({ ...node, config: { model } }), key)
  type("a")
  type("ab")
  vi.advanceTimersByTime(900)
  type("abc")
  expect(canvas.getState().past).toHaveLength(1)
  type("x", "name")
  expect(canvas.getState().past).toHaveLength(2)
  vi.advanceTimersByTime(1_100)
  type("y", "name")
  expect(canvas.getState().past).toHaveLength(3)
})

test("a drag is one step, however long it takes, and no change for the validator", () => {
  const canvas = made()
  const drag = (x: number, dragging: boolean) => {
    canvas
      .getState()
      .onNodesChange([{ type: "position", id: "ask", position: { x, y: 0 }, dragging }])
    vi.advanceTimersByTime(5_000)
  }
  drag(310, true)
  drag(350, true)
  drag(350, false)
  expect(canvas.getState().past).toHaveLength(1)
  expect(canvas.getState().revision).toBe(0)
  drag(400, true)
  drag(400, false)
  expect(canvas.getState().past).toHaveLength(2)
  canvas.getState().undo()
  canvas.getState().undo()
  expect(canvas.getState().doc).toBe(DOC)
})

test("a new node is joined to where it was asked for, named, and chosen", () => {
  const canvas = made()
  const first = canvas.getState().add("llm", { x: 1, y: 1 }, { node: "ask", handle: "default" })
  expect(first).toBe("llm")
  expect(canvas.getState().add("llm", { x: 1, y: 1 })).toBe("llm_2")
  expect(canvas.getState().doc.nodes.at(-1)?.config?.name).toBe("LLM 2")
  expect(canvas.getState().doc.edges.at(-1)).toEqual({ source: "ask", target: "llm" })
  expect([...canvas.getState().selected]).toEqual(["llm_2"])
})

test("edges name their handle, come once, and make no circle", () => {
  const canvas = made()
  const { connect } = canvas.getState()
  connect("ask", "error", "each")
  connect("ask", "error", "each")
  connect("each", null, "start")
  connect("each", null, "ask")
  connect("each", null, "each")
  expect(canvas.getState().doc.edges.slice(1)).toEqual([
    { source: "ask", target: "each", source_handle: "error" },
  ])
  expect(canvas.getState().canConnect("each", "ask")).toBe(false)
  expect(canvas.getState().canConnect("start", "each")).toBe(true)
})

test("an edge that is led elsewhere keeps its own fields", () => {
  const canvas = made()
  canvas.getState().reconnect("start:default:ask", "start", "default", "each")
  expect(canvas.getState().doc.edges).toEqual([
    { source: "start", target: "each", id: "e1", animated: true },
  ])
})

test("copy and paste, and duplicate", () => {
  const canvas = made()
  expect(canvas.getState().copy()).toBeNull()
  canvas.getState().select(["start", "ask"])
  expect(JSON.parse(canvas.getState().copy() ?? "")).toMatchObject({ edges: DOC.edges })
  canvas.getState().duplicate()
  expect(ids(canvas)).toEqual(["start", "ask", "each", "start_2", "ask_2"])
  expect([...canvas.getState().selected]).toEqual(["start_2", "ask_2"])
  canvas.getState().remove()
  expect(ids(canvas)).toEqual(["start", "ask", "each"])
})

test("a body is edited in its own drawing, and undone with the rest", () => {
  const canvas = made()
  canvas.getState().open(["each"])
  expect(canvas.getState().flowNodes).toEqual([])
  canvas.getState().add("start", { x: 0, y: 0 })
  expect(ids(canvas)).toEqual(["start", "ask", "each"])
  // an id is free in the whole workflow
  expect(graphAt(canvas.getState().doc, ["each"])?.nodes[0]?.id).toBe("start_2")
  canvas.getState().undo()
  expect(graphAt(canvas.getState().doc, ["each"])?.nodes).toEqual([])
  expect(canvas.getState().path).toEqual(["each"])
})

test("when what is open is gone, what was around it is shown", () => {
  const canvas = made()
  const inner = canvas.getState().add("map", { x: 0, y: 0 })
  canvas.getState().open([inner])
  canvas.getState().undo()
  expect(canvas.getState().path).toEqual([])
})

test("issues show on their node, and on what it is inside of", () => {
  const canvas = made()
  canvas
    .getState()
    .setIssues([issue("ask", "warning"), issue("ask", "error"), issue("in", "warning", "each")])
  const severities = () =>
    Object.fromEntries(canvas.getState().flowNodes.map((one) => [one.id, one.data.severity]))
  expect(severities()).toEqual({ start: null, ask: "error", each: "warning" })
})

test("of a thousand nodes one that moves is one new object", () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => ({
    id: `n${index}`,
    type: "code",
    position: { x: index, y: 0 },
  }))
  const canvas = createCanvas(TYPES, { ...DOC, nodes, edges: [] })
  const before = canvas.getState().flowNodes
  canvas.getState().onNodesChange([{ type: "position", id: "n7", position: { x: 9, y: 9 } }])
  const after = canvas.getState().flowNodes
  expect(after.filter((node, index) => node !== before[index]).map((node) => node.id)).toEqual([
    "n7",
  ])
})

test("the same edge twice is one line, and a stray handle is shown", () => {
  const edge = { source: "start", target: "ask", source_handle: "gone" }
  const flow = toFlow(
    { nodes: DOC.nodes, edges: [edge, { ...edge }] },
    { ...made().getState(), sizes: new Map() },
    { flowNodes: [], flowEdges: [] },
  )
  expect(flow.flowEdges.map((one) => one.id)).toEqual(["start:gone:ask"])
  expect(flow.flowNodes[0]?.data.stray).toEqual(["gone"])
})

test("what may only be read stays as it is", () => {
  const canvas = createCanvas(TYPES, DOC, true)
  const state = canvas.getState()
  state.update("ask", (node) => ({ ...node, config: { model: "other" } }))
  state.remove(["start"])
  state.add("llm", { x: 0, y: 0 })
  state.describe({ name: "Mine" })
  state.undo()
  expect(canvas.getState().doc).toBe(DOC)
})
