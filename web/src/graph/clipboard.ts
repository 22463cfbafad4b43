import { allNodes, bodyOf, freshId, type Graph, type GraphEdge, type GraphNode } from "./model"

const KIND = "pilot/nodes"
const SHIFT = 40

/** The chosen nodes and the edges between them, as text for the clipboard. */
export function copied(graph: Graph, chosen: ReadonlySet<string>): string {
  const nodes = graph.nodes.filter((node) => chosen.has(node.id))
  const edges = graph.edges.filter((edge) => chosen.has(edge.source) && chosen.has(edge.target))
  return JSON.stringify({ kind: KIND, nodes, edges })
}

/** What a text of the clipboard holds; null where it is nothing of ours. A whole graph's file
 * can be pasted too. */
export function readClipboard(text: string): Graph | null {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof found !== "object" || found === null) return null
  const { nodes, edges } = found as { nodes?: unknown; edges?: unknown }
  if (!Array.isArray(nodes) || nodes.length === 0) return null
  const good = nodes.every((node: unknown) => {
    const one = node as Partial<GraphNode> | null
    return typeof one?.id === "string" && typeof one.type === "string"
  })
  if (!good) return null
  return {
    nodes: nodes as GraphNode[],
    edges: (Array.isArray(edges) ? edges : []).filter(
      (edge: unknown): edge is GraphEdge =>
        typeof (edge as Partial<GraphEdge> | null)?.source === "string" &&
        typeof (edge as Partial<GraphEdge>).target === "string",
    ),
  }
}

/** The pasted graph with ids that are free, and its own references to its nodes renamed with them.
 * `at` is where its top left corner goes; left out, a little beside where it was. */
export function pasted(
  clip: Graph,
  taken: ReadonlySet<string>,
  at?: { x: number; y: number },
): Graph {
  const ids = new Set(taken)
  const renamed = new Map<string, string>()
  for (const node of allNodes(clip)) {
    const id = ids.has(node.id) ? freshId(stem(node.id), ids) : node.id
    ids.add(id)
    renamed.set(node.id, id)
  }
  const positions = clip.nodes.map((node) => node.position ?? { x: 0, y: 0 })
  const left = Math.min(...positions.map((one) => one.x))
  const top = Math.min(...positions.map((one) => one.y))
  const dx = at === undefined ? SHIFT : at.x - left
  const dy = at === undefined ? SHIFT : at.y - top
  const rename = renaming(renamed)
  const graph = renameGraph(clip, renamed, rename)
  return {
    ...graph,
    nodes: graph.nodes.map((node, index) => {
      const { x, y } = positions[index] ?? { x: 0, y: 0 }
      return { ...node, position: { ...node.position, x: x + dx, y: y + dy } }
    }),
  }
}

const stem = (id: string) => id.replace(/_\d+$/, "")

function renameGraph(
  graph: Graph,
  ids: ReadonlyMap<string, string>,
  rename: (value: unknown) => unknown,
): Graph {
  const of = (id: string) => ids.get(id) ?? id
  return {
    nodes: graph.nodes.map((node) => {
      const { body: _, ...config } = node.config ?? {}
      const renamed = rename(config) as Record<string, unknown>
      if (Array.isArray(renamed.tools)) renamed.tools = renamed.tools.map(toolOf(of))
      const inner = node.config?.body
      const body =
        inner == null ? {} : { body: { ...inner, ...renameGraph(bodyOf(node), ids, rename) } }
      const kept = node.config === undefined ? {} : { config: { ...renamed, ...body } }
      return { ...node, ...kept, id: of(node.id) }
    }),
    edges: graph.edges.map((edge) => ({
      ...edge,
      source: of(edge.source),
      target: of(edge.target),
    })),
  }
}

const toolOf = (of: (id: string) => string) => (tool: unknown) => {
  if (typeof tool !== "object" || tool === null) return tool
  const node = (tool as { node?: unknown }).node
  return typeof node === "string" ? { ...tool, node: of(node) } : tool
}

/** Renames `nodes.<id>` in every text of a value. */
function renaming(ids: ReadonlyMap<string, string>): (value: unknown) => unknown {
  const reference = /\bnodes\.(`[^`]+`|[A-Za-z_]\w*)|\bnodes\[(["'])([^"'\]]+)\2\]/g
  const inText = (text: string) =>
    text.replace(
      reference,
      (all: string, plain: string | undefined, quote: string, key: string) => {
        const id = plain === undefined ? key : plain.replaceAll("`", "")
        const to = ids.get(id)
        if (to === undefined || to === id) return all
        return plain === undefined
          ? `nodes[${quote}${to}${quote}]`
          : `nodes.${plain.startsWith("`") ? `\`${to}\`` : to}`
      },
    )
  const rename = (value: unknown): unknown => {
    if (typeof value === "string") return inText(value)
    if (Array.isArray(value)) return value.map(rename)
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, rename(one)]))
    }
    return value
  }
  return rename
}
