import "@xyflow/react/dist/style.css"
import {
  Background,
  BackgroundVariant,
  Controls,
  MiniMap,
  ReactFlow,
  type NodeChange,
} from "@xyflow/react"
import { useCallback, useMemo } from "react"

import { useTheme } from "../ui/theme"
import { nameOf } from "../graph/model"
import type { Graph } from "./path"
import { RunEdge, type RunFlowEdge } from "./RunEdge"
import { RunNode, type RunFlowNode } from "./RunNode"
import { useKnownTypes } from "../api/hooks"
import { useRunContext } from "./useRun"
import { TONES } from "./format"
import { keyOf } from "../live/state"

const NODE_TYPES = { run: RunNode }
const EDGE_TYPES = { run: RunEdge }
/** From so many nodes on, only what can be seen is in the page. */
const MANY = 150

const COLOURS: Record<string, string> = {
  neutral: "var(--border-strong)",
  info: "var(--info)",
  warn: "var(--warn)",
  ok: "var(--ok)",
  error: "var(--error)",
}

/** The graph that is run, not to be changed. */
export function RunGraph(props: {
  graph: Graph
  selected: string | null
  onSelect: (id: string | null) => void
}) {
  const { graph, selected, onSelect } = props
  const types = useKnownTypes()
  const theme = useTheme()
  const store = useRunContext()

  const placed = useMemo(() => {
    const handles = new Map<string, (string | null)[]>()
    for (const edge of graph.edges) {
      const known = handles.get(edge.source) ?? []
      if (!known.includes(edge.handle)) handles.set(edge.source, [...known, edge.handle])
    }
    return graph.nodes.map((node): RunFlowNode => {
      const type = types.get(node.type)
      return {
        id: node.id,
        type: "run",
        position: node.position,
        data: {
          name: nameOf(node),
          type: node.type,
          title: type?.title ?? node.type,
          icon: type?.icon,
          category: type?.category,
          handles: handles.get(node.id) ?? [],
        },
        ariaLabel: `${nameOf(node)}, ${type?.title ?? node.type}`,
      }
    })
  }, [graph, types])

  const nodes = useMemo(
    () => placed.map((node) => (node.id === selected ? { ...node, selected: true } : node)),
    [placed, selected],
  )
  const edges = useMemo(
    () =>
      graph.edges.map((edge): RunFlowEdge => ({
        id: edge.id,
        type: "run",
        source: edge.source,
        target: edge.target,
        sourceHandle: edge.handle ?? "default",
        data: { edge },
        focusable: false,
      })),
    [graph],
  )
  const change = useCallback(
    (changes: NodeChange<RunFlowNode>[]) => {
      const chosen = changes.find((one) => one.type === "select" && one.selected)
      if (chosen?.type === "select") onSelect(chosen.id)
    },
    [onSelect],
  )

  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      onNodesChange={change}
      onPaneClick={() => onSelect(null)}
      colorMode={theme}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      onlyRenderVisibleElements={graph.nodes.length > MANY}
      deleteKeyCode={null}
      minZoom={0.05}
      fitView
      fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
      proOptions={{ hideAttribution: true }}
    >
      <Background variant={BackgroundVariant.Dots} color="var(--grid-dot)" gap={20} />
      <Controls showInteractive={false} />
      {graph.nodes.length > 12 && (
        <MiniMap
          pannable
          zoomable
          ariaLabel="Overview"
          nodeColor={(node) => {
            const status = store.getState().run.nodes.get(keyOf(node.id))?.status ?? "pending"
            return COLOURS[TONES[status] ?? "neutral"] ?? "gray"
          }}
        />
      )}
    </ReactFlow>
  )
}
