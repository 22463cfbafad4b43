import { expect, it } from "vitest"

import { rootOf, waitsInside, type Wait } from "./useWaits"

const wait = (node_id: string, path: string, execution_id = "run"): Wait => ({
  execution_id,
  node_id,
  path,
  for: "signal",
  since: "2026-03-01T10:00:00Z",
})

it("knows the outermost node that something is inside of", () => {
  expect(rootOf({ node_id: "ask" })).toBe("ask")
  expect(rootOf({ node_id: "ask", path: "each[3]" })).toBe("each")
  expect(rootOf({ node_id: "ask", path: "each[3].improve[0]" })).toBe("each")
  expect(rootOf({ node_id: "ask", path: "agent#0.1" })).toBe("agent")
})

it("finds what waits in a body, and in the run that was begun, and nothing beside", () => {
  const own = wait("ask", "")
  const inner = wait("ask", "each[0]")
  const deep = wait("ask", "each[1].improve[2]")
  const other = wait("ask", "each_2[0]")
  const called = wait("each", "", "child")
  const all = [own, inner, deep, other, called]
  expect(waitsInside(all, "each", null)).toEqual([inner, deep])
  expect(waitsInside(all, "call", "child")).toEqual([called])
})
