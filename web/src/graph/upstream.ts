import { graphAt, type Graph, type GraphNode } from "./model"

/** The ids of the nodes that a way leads from to this one, nearest first. */
export function upstreamOf(graph: Graph, id: string): string[] {
  const sources = new Map<string, string[]>()
  for (const edge of graph.edges) {
    const list = sources.get(edge.target)
    if (list) list.push(edge.source)
    else sources.set(edge.target, [edge.source])
  }
  const seen = new Set<string>()
  const queue = [...(sources.get(id) ?? [])]
  for (const next of queue) {
    if (seen.has(next) || next === id) continue
    seen.add(next)
    queue.push(...(sources.get(next) ?? []))
  }
  return [...seen]
}

/** The nodes that lead straight to this one. */
export function parentsOf(graph: Graph, id: string): GraphNode[] {
  const sources = new Set(graph.edges.filter((one) => one.target === id).map((one) => one.source))
  return graph.nodes.filter((node) => sources.has(node.id))
}

/** What a node may refer to: the nodes upstream of it and, in a body, upstream of what is around. */
export function visibleNodes(root: Graph, path: readonly string[], id: string): GraphNode[] {
  const found: GraphNode[] = []
  let at = id
  for (let depth = path.length; depth >= 0; depth--) {
    const graph = graphAt(root, path.slice(0, depth))
    if (!graph) break
    const byId = new Map(graph.nodes.map((node) => [node.id, node]))
    for (const one of upstreamOf(graph, at)) {
      const node = byId.get(one)
      if (node) found.push(node)
    }
    at = path[depth - 1] ?? ""
  }
  return found
}
