import type { Graph } from "./model"

export interface Size {
  width: number
  height: number
}

const DEFAULT: Size = { width: 220, height: 64 }

/** Positions from left to right along the edges. Loaded when it is asked for. */
export async function laidOut(
  graph: Graph,
  sizeOf: (id: string) => Size | undefined,
): Promise<Map<string, { x: number; y: number }>> {
  const { Graph: Dagre, layout } = await import("@dagrejs/dagre")
  const dagre = new Dagre({ multigraph: true })
  dagre.setGraph({ rankdir: "LR", nodesep: 36, ranksep: 90 })
  dagre.setDefaultEdgeLabel(() => ({}))
  for (const node of graph.nodes) dagre.setNode(node.id, { ...(sizeOf(node.id) ?? DEFAULT) })
  graph.edges.forEach((edge, index) => {
    if (dagre.hasNode(edge.source) && dagre.hasNode(edge.target)) {
      dagre.setEdge(edge.source, edge.target, {}, String(index))
    }
  })
  layout(dagre)
  return new Map(
    graph.nodes.map((node) => {
      const { x, y, width, height } = dagre.node(node.id) as Size & { x: number; y: number }
      return [node.id, { x: Math.round(x - width / 2), y: Math.round(y - height / 2) }]
    }),
  )
}
