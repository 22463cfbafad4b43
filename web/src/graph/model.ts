/** Graphs as the API has them. Fields that are not named here are kept as they are. */
export interface GraphNode {
  id: string
  type: string
  position?: { x: number; y: number } | null
  config?: Record<string, unknown>
  on_error?: unknown
  pinned?: { output?: unknown; handles?: string[] | null; vars?: Record<string, unknown> } | null
  [field: string]: unknown
}

export interface GraphEdge {
  source: string
  target: string
  source_handle?: string | null
  [field: string]: unknown
}

export interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export const EMPTY: Graph = { nodes: [], edges: [] }

export const nameOf = (node: GraphNode): string => {
  const name = node.config?.name
  return typeof name === "string" && name !== "" ? name : node.id
}

/** The graph inside of a loop or a map; empty where there is none yet. */
export function bodyOf(node: GraphNode): Graph {
  const body = node.config?.body as Partial<Graph> | null | undefined
  if (!body) return EMPTY
  return { nodes: body.nodes ?? [], edges: body.edges ?? [] }
}

/** The graph at a path of containers' ids; null where the path leads nowhere. */
export function graphAt(root: Graph, path: readonly string[]): Graph | null {
  let graph = root
  for (const id of path) {
    const node = graph.nodes.find((one) => one.id === id)
    if (!node) return null
    graph = bodyOf(node)
  }
  return graph
}

/** The root with another graph at the path. What else a body holds stays. */
export function withGraphAt<G extends Graph>(root: G, path: readonly string[], graph: Graph): G {
  const [first, ...rest] = path
  if (first === undefined) return { ...root, nodes: graph.nodes, edges: graph.edges }
  const nodes = root.nodes.map((node) => {
    if (node.id !== first) return node
    const kept = node.config?.body as Record<string, unknown> | null | undefined
    const body = withGraphAt({ ...kept, ...bodyOf(node) }, rest, graph)
    return { ...node, config: { ...node.config, body } }
  })
  return { ...root, nodes }
}

/** Every node of a graph and of the bodies in it. */
export function* allNodes(graph: Graph): Generator<GraphNode> {
  for (const node of graph.nodes) {
    yield node
    yield* allNodes(bodyOf(node))
  }
}

/** The first of `llm`, `llm_2`, `llm_3`, … that is not taken. */
export function freshId(type: string, taken: ReadonlySet<string>): string {
  const stem = type.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d)/, "_") || "node"
  if (!taken.has(stem)) return stem
  for (let number = 2; ; number++) {
    const id = `${stem}_${number}`
    if (!taken.has(id)) return id
  }
}
