import { copied, pasted, readClipboard } from "./clipboard"
import type { Graph } from "./model"

const GRAPH: Graph = {
  nodes: [
    { id: "start", type: "start", position: { x: 0, y: 0 }, width: 100 },
    {
      id: "ask",
      type: "llm",
      position: { x: 200, y: 50 },
      config: { prompt_template: "{nodes.start.output} and {nodes.ask_more.output}" },
    },
    {
      id: "use",
      type: "code",
      position: { x: 400, y: 50 },
      config: { source: 'nodes["ask"]["output"]', tools: [{ node: "ask" }] },
    },
  ],
  edges: [
    { source: "start", target: "ask" },
    { source: "ask", target: "use", id: "e1", animated: true },
  ],
}
const TAKEN = new Set(["start", "ask", "use"])

test("a copy has the chosen nodes and the edges between them", () => {
  const clip = readClipboard(copied(GRAPH, new Set(["ask", "use"])))
  expect(clip?.nodes.map((node) => node.id)).toEqual(["ask", "use"])
  expect(clip?.edges).toEqual([{ source: "ask", target: "use", id: "e1", animated: true }])
})

test("what is pasted has ids of its own, and refers to its own", () => {
  const clip = readClipboard(copied(GRAPH, new Set(["ask", "use"])))
  const { nodes, edges } = pasted(clip ?? { nodes: [], edges: [] }, TAKEN)
  expect(nodes.map((node) => node.id)).toEqual(["ask_2", "use_2"])
  expect(nodes[0]?.config?.prompt_template).toBe("{nodes.start.output} and {nodes.ask_more.output}")
  expect(nodes[1]?.config).toEqual({
    source: 'nodes["ask_2"]["output"]',
    tools: [{ node: "ask_2" }],
  })
  expect(edges).toEqual([{ source: "ask_2", target: "use_2", id: "e1", animated: true }])
  expect(nodes.map((node) => node.position)).toEqual([
    { x: 240, y: 90 },
    { x: 440, y: 90 },
  ])
})

test("it goes where it is put, and keeps ids that are free", () => {
  const { nodes } = pasted(GRAPH, new Set(), { x: 1000, y: 1000 })
  expect(nodes.map((node) => node.id)).toEqual(["start", "ask", "use"])
  expect(nodes[2]?.position).toEqual({ x: 1400, y: 1050 })
  expect(nodes[0]?.width).toBe(100)
})

test("bodies are renamed with what is around them", () => {
  const clip: Graph = {
    nodes: [
      {
        id: "each",
        type: "map",
        config: {
          items: "{input}",
          body: {
            nodes: [
              { id: "one", type: "code", config: { source: "1" } },
              { id: "two", type: "output", config: { value: "{nodes.one.output}" } },
            ],
            edges: [{ source: "one", target: "two" }],
            note: "kept",
          },
        },
      },
    ],
    edges: [],
  }
  const [each] = pasted(clip, new Set(["each", "one", "two"])).nodes
  expect(each?.config?.body).toEqual({
    nodes: [
      { id: "one_2", type: "code", config: { source: "1" } },
      { id: "two_2", type: "output", config: { value: "{nodes.one_2.output}" } },
    ],
    edges: [{ source: "one_2", target: "two_2" }],
    note: "kept",
  })
})

test.each(["", "a text", "[]", "null", '{"nodes": []}', '{"nodes": [{"id": 1, "type": "llm"}]}'])(
  "%j is nothing to paste",
  (text) => {
    expect(readClipboard(text)).toBeNull()
  },
)
