import type { Graph } from "./model"

export interface Size {
  width: number
  height: number
}

const DEFAULT: Size = { width: 220, height: 64 }

const STEP = { x: 280, y: 130 }

interface Joined {
  nodes: readonly { id: string }[]
  edges: readonly { source: string; target: string }[]
}

/** Where nodes stand that nobody has placed, as in a graph that a program wrote: in columns by how
 * far they are from the start. Cheap enough to be asked for at any time. */
export function columns(graph: Joined): Map<string, { x: number; y: number }> {
  const missing = new Map(graph.nodes.map((node) => [node.id, 0]))
  const next = new Map<string, string[]>()
  for (const { source, target } of graph.edges) {
    if (!missing.has(source) || !missing.has(target)) continue
    missing.set(target, (missing.get(target) ?? 0) + 1)
    const known = next.get(source)
    if (known) known.push(target)
    else next.set(source, [target])
  }
  const depths = new Map<string, number>()
  const ready = graph.nodes.flatMap(({ id }) => (missing.get(id) === 0 ? [id] : []))
  for (const id of ready) {
    const depth = depths.get(id) ?? 0
    for (const target of next.get(id) ?? []) {
      depths.set(target, Math.max(depths.get(target) ?? 0, depth + 1))
      const left = (missing.get(target) ?? 1) - 1
      missing.set(target, left)
      if (left === 0) ready.push(target)
    }
  }
  const rows: number[] = []
  return new Map(
    graph.nodes.map(({ id }) => {
      const column = depths.get(id) ?? 0
      const row = rows[column] ?? 0
      rows[column] = row + 1
      return [id, { x: column * STEP.x, y: row * STEP.y }]
    }),
  )
}

/** The nodes, without their positions where all lie on one heap, as programs leave them that fill in
 * zeros: then they have been placed by nobody. */
export function offHeap<N extends object>(nodes: readonly N[]): N[] {
  const places = new Set(nodes.map((node) => placeOf(node as { position?: unknown })))
  return nodes.length > 1 && places.size === 1
    ? nodes.map((node) => ({ ...node, position: null }))
    : [...nodes]
}

function placeOf({ position }: { position?: unknown }): string {
  const { x, y } = (position ?? {}) as { x?: unknown; y?: unknown }
  return `${String(x)} ${String(y)}`
}

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
