// @vitest-environment node
import { describe, expect, it } from "vitest"

import { begin } from "../live/state"
import { nameOf } from "../graph/model"
import { edgeState, graphOf, inputOf, type Graph } from "./path"

const node = (id: string, type = "code") => ({ id, type, position: { x: 0, y: 0 }, config: {} })
const GRAPH: Graph = graphOf({
  nodes: [
    { ...node("start", "start"), config: { name: "Begin" } },
    node("big", "condition"),
    node("yes"),
    node("no"),
    node("end", "merge"),
    node("rescue"),
  ],
  edges: [
    { source: "start", target: "big" },
    { source: "big", target: "yes", source_handle: "true" },
    { source: "big", target: "no", source_handle: "false" },
    { source: "yes", target: "end" },
    { source: "no", target: "end" },
    { source: "yes", target: "rescue", source_handle: "error" },
  ],
})
const run = (states: Record<string, object>) =>
  begin({
    status: "running",
    nodes: GRAPH.nodes.map(({ id, type }) => ({ id, type, status: "pending", ...states[id] })),
  })
const along = (states: Record<string, object>) => {
  const { nodes } = run(states)
  return GRAPH.edges.map((edge) => edgeState(edge, nodes.get(edge.source), nodes.get(edge.target)))
}
const DONE = { status: "succeeded" }

describe("edgeState", () => {
  it("knows nothing before a node has ended", () => {
    expect(along({ start: { status: "running" } })).toEqual(Array(6).fill("unknown"))
  })

  it("follows the branch that a condition took, also into a join", () => {
    expect(
      along({
        start: DONE,
        big: { ...DONE, meta: { branch: "true" } },
        yes: { ...DONE, output: 1 },
        no: { status: "skipped", reason: "branch_not_taken" },
        end: DONE,
        rescue: { status: "skipped", reason: "branch_not_taken" },
      }),
    ).toEqual(["taken", "taken", "skipped", "taken", "skipped", "skipped"])
  })

  it("leaves a node that failed by its error handle alone", () => {
    const [, , , end, , error] = along({
      yes: { status: "failed" },
      end: { status: "skipped" },
      rescue: { status: "running" },
    })
    expect([end, error]).toEqual(["skipped", "taken"])
  })

  it("goes on from a failed node that gives a default", () => {
    expect(along({ yes: { status: "failed", output: "instead" }, end: DONE })[3]).toBe("taken")
  })
})

describe("inputOf", () => {
  it("is the run's for the first, and passes through a condition", () => {
    const state = run({
      start: { ...DONE, output: { n: 1 } },
      big: { ...DONE, meta: { branch: "true" } },
      yes: { ...DONE, output: "a" },
      no: { ...DONE, output: "b" },
      end: { status: "running" },
    })
    expect(inputOf(GRAPH, state, "start", { n: 1 })).toEqual({ n: 1 })
    expect(inputOf(GRAPH, state, "yes", null)).toEqual({ n: 1 })
    expect(inputOf(GRAPH, state, "end", null)).toEqual({ yes: "a", no: "b" })
    expect(inputOf(GRAPH, state, "rescue", null)).toBeUndefined()
  })
})

it("calls a node by its name, or by its id", () => {
  expect(GRAPH.nodes.slice(0, 2).map(nameOf)).toEqual(["Begin", "big"])
})

it("draws nodes that all lie on one heap in columns, as the canvas does", () => {
  const [start, big, yes, no] = GRAPH.nodes.map((one) => one.position)
  expect(start?.x).toBeLessThan(big?.x ?? 0)
  expect(yes?.x).toBe(no?.x)
  expect(yes?.y).not.toBe(no?.y)
})
