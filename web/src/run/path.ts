/** Which way a run took through its graph, and what a node was given. */

import { columns, offHeap } from "../graph/layout"
import type { GraphNode as StoredNode } from "../graph/model"
import type { Json } from "../live/events"
import { keyOf, type NodeState, type RunState } from "../live/state"
import { objectOf, textOf } from "../live/events"

/** A node as it is drawn: placed, and with a configuration, if an empty one. */
export interface GraphNode extends StoredNode {
  position: { x: number; y: number }
  config: Json
}

export interface GraphEdge {
  id: string
  source: string
  target: string
  /** Null for the default handle. */
  handle: string | null
}

export interface Graph {
  nodes: readonly GraphNode[]
  edges: readonly GraphEdge[]
  /** By target, in the graph's order. */
  into: ReadonlyMap<string, readonly GraphEdge[]>
}

export function graphOf(stored: { nodes: readonly Json[]; edges: readonly Json[] }): Graph {
  const edges = stored.edges.map((edge, index) => ({
    id: `e${index}`,
    source: textOf(edge.source) ?? "",
    target: textOf(edge.target) ?? "",
    handle: textOf(edge.source_handle ?? edge.sourceHandle),
  }))
  const given = offHeap(stored.nodes)
  const joined = { nodes: given.map((node) => ({ id: textOf(node.id) ?? "" })), edges }
  const unplaced = given.some((node) => !node.position) ? columns(joined) : null
  const nodes = given.map((node) => {
    const id = textOf(node.id) ?? ""
    const { x, y } = objectOf(node.position ?? unplaced?.get(id))
    return {
      id,
      type: textOf(node.type) ?? "",
      position: { x: typeof x === "number" ? x : 0, y: typeof y === "number" ? y : 0 },
      config: objectOf(node.config),
    }
  })
  const into = new Map<string, GraphEdge[]>()
  for (const edge of edges) into.set(edge.target, [...(into.get(edge.target) ?? []), edge])
  return { nodes, edges, into }
}

export type EdgeState = "unknown" | "taken" | "skipped"

/** The handles by which a node left, where it is known; null where only its targets tell. */
function leftBy(source: NodeState): readonly string[] | null {
  if (source.handles !== null) return source.handles
  const { branch, branches } = source.meta
  if (Array.isArray(branches)) return branches.map(String)
  if (typeof branch === "string") return [branch]
  const decision = source.type === "approval" ? textOf(objectOf(source.output).decision) : null
  return decision === null ? null : [decision]
}

/** Whether the run went along an edge, by the nodes at its ends. */
export function edgeState(
  edge: GraphEdge,
  source: NodeState | undefined,
  target: NodeState | undefined,
): EdgeState {
  if (source === undefined || target === undefined) return "unknown"
  switch (source.status) {
    case "succeeded": {
      if (edge.handle === "error") return "skipped"
      const left = edge.handle === null || edge.handle === "default" ? null : leftBy(source)
      if (left !== null && edge.handle !== null)
        return left.includes(edge.handle) ? "taken" : "skipped"
      return target.reason === "branch_not_taken" ? "skipped" : "taken"
    }
    case "failed":
      if (edge.handle === "error") return target.status === "skipped" ? "skipped" : "taken"
      // with `on_error` a default output it goes on by its own handles
      return ["running", "waiting", "succeeded"].includes(target.status) && source.output !== null
        ? "taken"
        : "skipped"
    case "skipped":
    case "cancelled":
      return "skipped"
    default:
      return "unknown"
  }
}

const PASSES_ON: ReadonlySet<string> = new Set(["condition", "switch", "variable"])

/** What a node was given as `input`: the output of the node before it, or by id those of several;
 * undefined where it is not known yet. */
export function inputOf(graph: Graph, run: RunState, id: string, executionInput: unknown): unknown {
  const edges = graph.into.get(id) ?? []
  if (edges.length === 0) return executionInput
  const from = new Set<string>()
  for (const edge of edges) {
    const state = edgeState(
      edge,
      run.nodes.get(keyOf(edge.source)),
      run.nodes.get(keyOf(edge.target)),
    )
    if (state === "taken") from.add(edge.source)
  }
  const values = [...from].map((one) => [one, outputOf(graph, run, one, executionInput)] as const)
  const [only] = values
  if (values.length === 1 && only !== undefined) return only[1]
  return values.length === 0 ? undefined : Object.fromEntries(values)
}

/** What a node gave: of one that passes its input on, that. */
export function outputOf(
  graph: Graph,
  run: RunState,
  id: string,
  executionInput: unknown,
): unknown {
  const node = run.nodes.get(keyOf(id))
  if (node === undefined || node.status === "pending") return undefined
  if (node.output === null && node.status === "succeeded" && PASSES_ON.has(node.type))
    return inputOf(graph, run, id, executionInput)
  return node.output
}
