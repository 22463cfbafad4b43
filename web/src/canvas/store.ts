import type { EdgeChange, NodeChange } from "@xyflow/react"
import { createStore } from "zustand"
import type { NodeTypes } from "../api/hooks"
import type { Issue } from "../api/problem"
import { copied, pasted } from "../graph/clipboard"
import { storedHandle } from "../graph/handles"
import type { Size } from "../graph/layout"
import {
  allNodes,
  EMPTY,
  freshId,
  graphAt,
  withGraphAt,
  type Graph,
  type GraphEdge,
  type GraphNode,
} from "../graph/model"
import { edgeId, toFlow, type Flow, type FlowEdge, type FlowNode } from "./flow"

/** What a save sends: the graph, and what stands beside it. */
export interface Doc extends Graph {
  name: string
  description: string
  timeout_s: number | null
  max_parallel: number | null
}

interface Point {
  x: number
  y: number
}

const MAX_UNDO = 200
/** Changes of one thing within it are undone as one, in ms. */
const SAME_MS = 1_000

export interface CanvasState extends Flow {
  types: NodeTypes
  doc: Doc
  /** The containers whose body is shown; empty: the workflow itself. */
  path: string[]
  past: Doc[]
  future: Doc[]
  selected: ReadonlySet<string>
  selectedEdges: ReadonlySet<string>
  issues: readonly Issue[]
  /** Counts what a validator would notice: not where nodes stand. */
  revision: number

  /** Another document, from the server: nothing of it is to be undone. */
  load: (doc: Doc) => void
  setIssues: (issues: readonly Issue[]) => void
  open: (path: string[]) => void
  select: (ids: Iterable<string>) => void
  onNodesChange: (changes: NodeChange<FlowNode>[]) => void
  onEdgesChange: (changes: EdgeChange<FlowEdge>[]) => void
  /** Adds a node; with `from` joined to that handle, where the types allow it. Its id. */
  add: (type: string, position: Point, from?: { node: string; handle: string | null }) => string
  connect: (source: string, handle: string | null, target: string) => void
  canConnect: (source: string, target: string) => boolean
  reconnect: (edge: string, source: string, handle: string | null, target: string) => void
  /** Changes a node; changes with the same key in a row are undone as one. */
  update: (id: string, change: (node: GraphNode) => GraphNode, key?: string) => void
  describe: (change: Partial<Doc>, key?: string) => void
  /** The chosen nodes and edges, or those named. */
  remove: (ids?: Iterable<string>) => void
  copy: () => string | null
  paste: (clip: Graph, at?: Point) => void
  duplicate: () => void
  move: (positions: ReadonlyMap<string, Point>) => void
  undo: () => void
  redo: () => void
}

export type CanvasStore = ReturnType<typeof createCanvas>

/** With `readOnly` the document stays as it is, whatever is asked. */
export function createCanvas(types: NodeTypes, doc: Doc, readOnly = false) {
  let lastKey: string | null = null
  let lastAt = 0
  let sizes = new Map<string, Size>()

  return createStore<CanvasState>((set, get) => {
    const graph = () => graphAt(get().doc, get().path) ?? EMPTY

    /** The state with what is drawn brought up to date. */
    function drawn(change: Partial<CanvasState>): Partial<CanvasState> {
      const state = { ...get(), ...change }
      const shown = graphAt(state.doc, state.path) ?? EMPTY
      return { ...change, ...toFlow(shown, { ...state, sizes }, state) }
    }

    function commit(next: Graph, change: Partial<CanvasState> = {}, key: string | null = null) {
      commitDoc(withGraphAt(get().doc, get().path, next), change, key)
    }

    function commitDoc(doc: Doc, change: Partial<CanvasState>, key: string | null) {
      if (readOnly) return
      const state = get()
      const now = Date.now()
      const same = key !== null && key === lastKey && now - lastAt < SAME_MS
      lastKey = key
      lastAt = now
      set(
        drawn({
          revision: state.revision + 1,
          ...change,
          doc,
          past: same ? state.past : [...state.past.slice(1 - MAX_UNDO), state.doc],
          future: [],
        }),
      )
    }

    function travel(doc: Doc, past: Doc[], future: Doc[]) {
      lastKey = null
      let path = get().path
      while (graphAt(doc, path) === null) path = path.slice(0, -1)
      const there = new Set((graphAt(doc, path) ?? EMPTY).nodes.map((node) => node.id))
      const selected = new Set([...get().selected].filter((id) => there.has(id)))
      set(drawn({ doc, past, future, path, selected, revision: get().revision + 1 }))
    }

    function joined(edges: GraphEdge[], source: string, handle: string | null, target: string) {
      const stored = storedHandle(handle)
      const edge: GraphEdge = {
        source,
        target,
        ...(stored === undefined ? {} : { source_handle: stored }),
      }
      return edges.some((one) => edgeId(one) === edgeId(edge)) ? edges : [...edges, edge]
    }

    const initial: CanvasState = {
      types,
      doc,
      path: [],
      past: [],
      future: [],
      selected: new Set(),
      selectedEdges: new Set(),
      issues: [],
      revision: 0,
      flowNodes: [],
      flowEdges: [],

      load(next) {
        lastKey = null
        let path = get().path
        while (graphAt(next, path) === null) path = path.slice(0, -1)
        set(drawn({ doc: next, path, past: [], future: [], revision: get().revision + 1 }))
      },

      setIssues: (issues) => set(drawn({ issues })),

      open(path) {
        sizes = new Map()
        set(drawn({ path, selected: new Set(), selectedEdges: new Set(), flowNodes: [] }))
      },

      select: (ids) => set(drawn({ selected: new Set(ids), selectedEdges: new Set() })),

      onNodesChange(changes) {
        const positions = new Map<string, Point>()
        const removed: string[] = []
        let selected: Set<string> | null = null
        let dragging = false
        let resized = false
        for (const change of changes) {
          if (change.type === "position" && change.position) {
            positions.set(change.id, change.position)
            dragging ||= change.dragging === true
          } else if (change.type === "select") {
            selected ??= new Set(get().selected)
            if (change.selected) selected.add(change.id)
            else selected.delete(change.id)
          } else if (change.type === "remove") {
            removed.push(change.id)
          } else if (change.type === "dimensions" && change.dimensions) {
            sizes.set(change.id, change.dimensions)
            resized = true
          }
        }
        if (removed.length > 0) get().remove(removed)
        if (selected) set(drawn({ selected }))
        if (positions.size > 0) {
          const { revision } = get()
          // a whole drag is one step back; arrows in a row are too
          const drags = dragging || lastKey === "drag"
          commit(placed(graph(), positions), { revision }, drags ? "drag" : "move")
          if (dragging) lastAt = Number.POSITIVE_INFINITY
          else if (drags) lastKey = null
        } else if (resized && !selected) set(drawn({}))
      },

      onEdgesChange(changes) {
        const chosen = new Set(get().selectedEdges)
        const removed = new Set<string>()
        for (const change of changes) {
          if (change.type === "select") {
            if (change.selected) chosen.add(change.id)
            else chosen.delete(change.id)
          } else if (change.type === "remove") removed.add(change.id)
        }
        if (removed.size > 0) {
          const { nodes, edges } = graph()
          commit({ nodes, edges: edges.filter((edge) => !removed.has(edgeId(edge))) })
        }
        set(drawn({ selectedEdges: chosen }))
      },

      add(type, position, from) {
        const { nodes, edges } = graph()
        const id = freshId(type, new Set([...allNodes(get().doc)].map((node) => node.id)))
        const number = /_(\d+)$/.exec(id)?.[1]
        const title = get().types.get(type)?.title ?? type
        const name = number === undefined ? title : `${title} ${number}`
        const config = { name, ...starting(type) }
        const node: GraphNode = { id, type, position: rounded(position), config }
        commit(
          {
            nodes: [...nodes, node],
            edges: from ? joined(edges, from.node, from.handle, id) : edges,
          },
          { selected: new Set([id]), selectedEdges: new Set() },
        )
        return id
      },

      canConnect(source, target) {
        if (source === target) return false
        const { nodes, edges } = graph()
        const to = nodes.find((node) => node.id === target)
        return to !== undefined && to.type !== "start" && !leadsTo(edges, target, source)
      },

      connect(source, handle, target) {
        if (!get().canConnect(source, target)) return
        const { nodes, edges } = graph()
        const next = joined(edges, source, handle, target)
        if (next !== edges) commit({ nodes, edges: next })
      },

      reconnect(edge, source, handle, target) {
        const { nodes, edges } = graph()
        const stored = storedHandle(handle)
        const { source_handle: _, ...rest } = edges.find((one) => edgeId(one) === edge) ?? {}
        const others = edges.filter((one) => edgeId(one) !== edge)
        if (source === target || leadsTo(others, target, source)) return
        const next: GraphEdge = {
          ...rest,
          source,
          target,
          ...(stored === undefined ? {} : { source_handle: stored }),
        }
        commit({ nodes, edges: edges.map((one) => (edgeId(one) === edge ? next : one)) })
      },

      update(id, change, key) {
        const { nodes, edges } = graph()
        commit(
          { nodes: nodes.map((node) => (node.id === id ? change(node) : node)), edges },
          {},
          key === undefined ? null : `${id}/${key}`,
        )
      },

      describe: (change, key) => commitDoc({ ...get().doc, ...change }, {}, key ?? null),

      remove(ids) {
        const { nodes, edges } = graph()
        const gone = new Set(ids ?? get().selected)
        const goneEdges = ids === undefined ? get().selectedEdges : new Set<string>()
        if (gone.size === 0 && goneEdges.size === 0) return
        commit(
          {
            nodes: nodes.filter((node) => !gone.has(node.id)),
            edges: edges.filter(
              (edge) =>
                !gone.has(edge.source) && !gone.has(edge.target) && !goneEdges.has(edgeId(edge)),
            ),
          },
          { selected: new Set(), selectedEdges: new Set() },
        )
      },

      copy: () => (get().selected.size === 0 ? null : copied(graph(), get().selected)),

      paste(clip, at) {
        const { nodes, edges } = graph()
        const taken = new Set([...allNodes(get().doc)].map((node) => node.id))
        const fresh = pasted(clip, taken, at)
        commit(
          { nodes: [...nodes, ...fresh.nodes], edges: [...edges, ...fresh.edges] },
          { selected: new Set(fresh.nodes.map((node) => node.id)), selectedEdges: new Set() },
        )
      },

      duplicate() {
        const { nodes, edges } = graph()
        const { selected } = get()
        const chosen = nodes.filter((node) => selected.has(node.id))
        if (chosen.length === 0) return
        const between = edges.filter((one) => selected.has(one.source) && selected.has(one.target))
        get().paste({ nodes: chosen, edges: between })
      },

      move: (positions) => commit(placed(graph(), positions)),

      undo() {
        const { past, future, doc } = get()
        const before = past.at(-1)
        if (before) travel(before, past.slice(0, -1), [doc, ...future])
      },

      redo() {
        const { past, future, doc } = get()
        const [next, ...rest] = future
        if (next) travel(next, [...past, doc], rest)
      },
    }
    return { ...initial, ...toFlow(doc, { ...initial, sizes }, initial) }
  })
}

const rounded = ({ x, y }: Point): Point => ({ x: Math.round(x), y: Math.round(y) })

function placed(graph: Graph, positions: ReadonlyMap<string, Point>): Graph {
  return {
    nodes: graph.nodes.map((node) => {
      const to = positions.get(node.id)
      return to ? { ...node, position: { ...node.position, ...rounded(to) } } : node
    }),
    edges: graph.edges,
  }
}

/** Whether a way leads from one node to another: an edge back would close a circle. */
function leadsTo(edges: readonly GraphEdge[], from: string, to: string): boolean {
  const seen = new Set([from])
  const queue = [from]
  for (const at of queue) {
    if (at === to) return true
    for (const edge of edges) {
      if (edge.source === at && !seen.has(edge.target)) {
        seen.add(edge.target)
        queue.push(edge.target)
      }
    }
  }
  return false
}

/** What a node of a type begins with, so that it can be seen what goes where. */
function starting(type: string): Record<string, unknown> {
  switch (type) {
    case "llm":
      return { prompt_template: "{input}" }
    case "condition":
      return { expression: "" }
    case "switch":
      return { cases: [{ handle: "case_1", expression: "" }] }
    case "code":
      return { source: "def main(input):\n    return input\n" }
    case "http":
      return { method: "GET", url: "" }
    case "variable":
      return { assignments: { value: "{input}" } }
    case "approval":
      return { title: "" }
    case "loop":
      return { condition: "index < 3", body: { nodes: [], edges: [] } }
    case "map":
      return { items: "{input}", body: { nodes: [], edges: [] } }
    default:
      return {}
  }
}
