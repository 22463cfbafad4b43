import { expect, test } from "vitest"
import { columns, offHeap } from "./layout"

const edge = (source: string, target: string) => ({ source, target })
const node = (id: string) => ({ id })

test("nodes stand behind the last of what leads to them, and never upon each other", () => {
  const at = columns({
    nodes: ["output", "b", "c", "start", "alone"].map(node),
    edges: [
      edge("start", "b"),
      edge("b", "c"),
      edge("start", "output"),
      edge("c", "output"),
      edge("start", "nobody"),
    ],
  })
  const x = (id: string) => at.get(id)?.x ?? NaN
  expect(x("start")).toBe(0)
  expect([x("b"), x("c"), x("output")]).toEqual([280, 560, 840])
  expect(x("alone")).toBe(0)
  expect(new Set([...at.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(5)
})

test("a circle is drawn too", () => {
  const at = columns({ nodes: ["a", "b"].map(node), edges: [edge("a", "b"), edge("b", "a")] })
  expect(at.get("a")).not.toEqual(at.get("b"))
})

test("takes nodes on one heap for placed by nobody, and leaves all others where they are", () => {
  const at = (id: string, x: number) => ({ id, position: { x, y: 0 } })
  expect(offHeap([at("a", 0), at("b", 0)]).map((node) => node.position)).toEqual([null, null])
  expect(offHeap([at("a", 0), at("b", 9)])).toEqual([at("a", 0), at("b", 9)])
  expect(offHeap([at("a", 7)])).toEqual([at("a", 7)])
})
