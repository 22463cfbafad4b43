import type { Edge, Node } from "@xyflow/react"
import type { NodeType, NodeTypes } from "../api/hooks"
import type { Issue } from "../api/problem"
import { DEFAULT_HANDLE, handlesOf } from "../graph/handles"
import { columns, type Size } from "../graph/layout"
import type { Graph, GraphEdge, GraphNode } from "../graph/model"

export interface CardData extends Record<string, unknown> {
  node: GraphNode
  type: NodeType | undefined
  handles: readonly string[]
  /** Handles that edges leave by and that the node does not have. */
  stray: readonly string[]
  severity: Issue["severity"] | null
}

export type FlowNode = Node<CardData, "card">
export type FlowEdge = Edge

/** What React Flow draws. */
export interface Flow {
  flowNodes: FlowNode[]
  flowEdges: FlowEdge[]
}

interface Look {
  types: NodeTypes
  path: readonly string[]
  selected: ReadonlySet<string>
  selectedEdges: ReadonlySet<string>
  issues: readonly Issue[]
  sizes: ReadonlyMap<string, Size>
}

const NONE: readonly string[] = []

/** An edge is known by where it leaves and where it leads. */
export const edgeId = (edge: GraphEdge): string =>
  `${edge.source}:${edge.source_handle ?? DEFAULT_HANDLE}:${edge.target}`

/** The graph as React Flow has it. What is as it was is the same object as before, so that of a
 * thousand nodes only those that changed are drawn anew. */
export function toFlow(graph: Graph, look: Look, before: Flow): Flow {
  const old = new Map(before.flowNodes.map((node) => [node.id, node]))
  const severities = worst(look.issues, look.path)
  const leaving = handlesByNode(graph.edges)
  const unplaced = graph.nodes.some((node) => !node.position) ? columns(graph) : null
  const flowNodes = graph.nodes.map((node) => {
    const last = old.get(node.id)
    const isSame = last?.data.node === node
    const type = look.types.get(node.type)
    const handles = isSame ? last.data.handles : handlesOf(node, look.types)
    const stray = [...(leaving.get(node.id) ?? NONE)].filter((one) => !handles.includes(one))
    const severity = severities.get(node.id) ?? null
    const selected = look.selected.has(node.id)
    const size = look.sizes.get(node.id)
    if (
      isSame &&
      last.selected === selected &&
      last.measured === size &&
      last.data.severity === severity &&
      last.data.stray.join() === stray.join()
    ) {
      return last
    }
    const data =
      isSame && last.data.severity === severity && last.data.stray.join() === stray.join()
        ? last.data
        : { node, type, handles, stray, severity }
    const flow: FlowNode = {
      id: node.id,
      type: "card",
      position: node.position ?? unplaced?.get(node.id) ?? { x: 0, y: 0 },
      data,
      selected,
    }
    if (size !== undefined) flow.measured = size
    return flow
  })
  const flowEdges = edgesOf(graph, look, before.flowEdges)
  return {
    flowNodes: sameItems(flowNodes, before.flowNodes) ? before.flowNodes : flowNodes,
    flowEdges: sameItems(flowEdges, before.flowEdges) ? before.flowEdges : flowEdges,
  }
}

function edgesOf(graph: Graph, look: Look, before: readonly FlowEdge[]): FlowEdge[] {
  const old = new Map(before.map((edge) => [edge.id, edge]))
  const seen = new Set<string>()
  return graph.edges.flatMap((edge) => {
    const id = edgeId(edge)
    // the same edge twice is an issue of the validator, and one line
    if (seen.has(id)) return []
    seen.add(id)
    const selected = look.selectedEdges.has(id)
    const last = old.get(id)
    if (last?.selected === selected) return [last]
    const sourceHandle = edge.source_handle ?? DEFAULT_HANDLE
    return [
      {
        id,
        source: edge.source,
        target: edge.target,
        sourceHandle,
        selected,
        ...(sourceHandle === "error" ? { className: "error-edge" } : {}),
      },
    ]
  })
}

function handlesByNode(edges: readonly GraphEdge[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const edge of edges) {
    const handle = edge.source_handle ?? DEFAULT_HANDLE
    const handles = found.get(edge.source)
    if (handles) handles.add(handle)
    else found.set(edge.source, new Set([handle]))
  }
  return found
}

/** The worst that is said of each node shown: of its own, and of those in its body. */
function worst(issues: readonly Issue[], path: readonly string[]): Map<string, Issue["severity"]> {
  const found = new Map<string, Issue["severity"]>()
  for (const issue of issues) {
    const around = containers(issue)
    if (path.some((id, depth) => around[depth] !== id)) continue
    const id = around[path.length] ?? issue.node_id
    if (id == null) continue
    if (issue.severity === "error" || !found.has(id)) found.set(id, issue.severity)
  }
  return found
}

/** The ids around what an issue is about, the outermost first. */
export const containers = (issue: Issue): string[] =>
  issue.container == null || issue.container === "" ? [] : issue.container.split("/")

function sameItems<T>(one: readonly T[], other: readonly T[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index])
}
